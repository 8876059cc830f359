// The codecs of a payload, as streams. zstd, gzip and none come with Node; xz is the program of that name.
import { spawn } from "node:child_process";
import { Duplex, PassThrough, type Readable, type Writable } from "node:stream";
import { constants, createGzip, createZstdCompress, createZstdDecompress } from "node:zlib";
import { LackingError } from "../errors.ts";
import type { Codec } from "../ports.ts";

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
      return createZstdCompress({
        params: { [constants.ZSTD_c_compressionLevel]: zstdLevel, [constants.ZSTD_c_checksumFlag]: 1 },
      });
    case "xz":
      return xz();
  }
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
  const duplex = Duplex.from({ readable: child.stdout as Readable, writable: child.stdin as Writable });
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
