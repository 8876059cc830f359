// The codecs of a payload, as streams. zstd, gzip and none come with Node; xz is the program of that name.
import { spawn } from "node:child_process";
import { Duplex, PassThrough, Writable } from "node:stream";
import { constants, createGzip, createZstdCompress, createZstdDecompress } from "node:zlib";
import { LackingError } from "../errors.ts";
import type { Codec } from "../model/transfer.ts";

export interface CompressOptions {
  readonly codec: Codec;
  /** Of zstd only, 1 to 19: hosts decode any of them in 8 MiB. */
  readonly zstdLevel?: number;
}

/** A stream that compresses; the same bytes in give the same bytes out. */
export function compressor({ codec, zstdLevel = 12 }: CompressOptions): Duplex {
  switch (codec) {
    case "none":
      return new PassThrough();
    case "gzip":
      return createGzip({ level: 9 });
    case "zstd":
      return zstd(zstdLevel);
    case "xz":
      return xz();
  }
}

/**
 * Ends the input only when the last chunk is through: else Node writes an empty frame behind the first, depending on
 * timing, and the same tree would have two payloads.
 */
function zstd(level: number): Duplex {
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = constants;
  const stream = createZstdCompress({ params: { [ZSTD_c_compressionLevel]: level, [ZSTD_c_checksumFlag]: 1 } });
  const writable = new Writable({
    write: (chunk, encoding, done) => stream.write(chunk, encoding, done),
    final: (done) => stream.end(done),
  });
  return Duplex.from({ readable: stream, writable });
}

/** Undoes zstd, refusing windows above 128 MiB. */
export function zstdDecompressor(): Duplex {
  return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 27 } });
}

function xz(): Duplex {
  const child = spawn("xz", ["-6", "-T1", "--check=crc32", "--stdout"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: { PATH: process.env.PATH },
  });
  const duplex = Duplex.from({ readable: child.stdout, writable: child.stdin });
  child.once("error", (cause: NodeJS.ErrnoException) => {
    const missing = new LackingError("The program xz is not installed here", "apt-get install xz-utils");
    duplex.destroy(cause.code === "ENOENT" ? missing : cause);
  });
  child.once("exit", (code) => {
    if (code !== 0) duplex.destroy(new Error(`xz ended with ${code}`));
  });
  duplex.once("close", () => child.kill());
  return duplex;
}
