// The payload: a deterministic tar of a tree, in manifest order, compressed. Written once, then only read.
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { dirname } from "node:path";
import { type Duplex, Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Pack, pack } from "tar-stream";
import { CutoverError, orLackingDisk } from "../errors.ts";
import type { Codec, PayloadFile } from "../model/transfer.ts";
import { compressor, zstdDecompressor } from "./compress.ts";
import type { ManifestEntry } from "./manifest.ts";
import { openTreeFile } from "./scan-tree.ts";
import { writeWhole } from "./write-whole.ts";
import { hasWholeZstdFrames } from "./zstd-frame.ts";

export interface WritePayloadInput {
  readonly directory: string;
  readonly entries: readonly ManifestEntry[];
  readonly codec: Codec;
  readonly zstdLevel?: number;
  /** Where the finished file appears, by rename; its directory is made. */
  readonly target: string;
}

/** Packs a tree. Throws `tree-changed` when a file is no longer what the manifest says. Leaves nothing behind on failure. */
export async function writePayload({
  directory,
  entries,
  codec,
  zstdLevel,
  target,
}: WritePayloadInput): Promise<PayloadFile> {
  const tar = pack();
  const packing = packEntries(tar, directory, entries).catch((error: Error) => tar.destroy(error));
  try {
    return await writeCompressed([Readable.from(tar)], {
      codec,
      target,
      ...(zstdLevel === undefined ? {} : { zstdLevel }),
    });
  } finally {
    tar.destroy();
    await packing;
  }
}

/** The same tar in another codec, from a zstd payload. Throws `payload-too-large` past `maxOutputBytes` of tar. */
export async function transcodePayload(input: {
  readonly source: string;
  readonly codec: Codec;
  readonly target: string;
  readonly maxOutputBytes: number;
}): Promise<PayloadFile> {
  const { source, codec, target, maxOutputBytes } = input;
  return writeCompressed([createReadStream(source), zstdDecompressor()], { codec, target, maxOutputBytes });
}

/** Digest and sizes of a zstd payload that is already on disk; unpacks it once, within the cap, to know its tar size. Throws `payload-damaged`. */
export async function measurePayload(path: string, maxOutputBytes: number): Promise<PayloadFile> {
  if (!(await hasWholeZstdFrames(path))) throw damaged("It was cut short, or it is not a zstd file");
  const packed = counting(Number.POSITIVE_INFINITY);
  const unpacked = counting(maxOutputBytes);
  await pipeline(createReadStream(path), packed.stream, zstdDecompressor(), unpacked.stream, async (chunks) => {
    for await (const _ of chunks);
  }).catch((error: Error) => {
    const cause = orLackingDisk(dirname(path), error);
    throw cause instanceof CutoverError ? cause : damaged(error.message, error);
  });
  return { path, codec: "zstd", digest: packed.digest(), bytes: packed.bytes(), outputBytes: unpacked.bytes() };
}

/** Upper bound of the tar of these entries: two headers, a long name and padding each, and the end. */
export function maxTarBytes(entries: readonly ManifestEntry[]): number {
  const sizes = entries.map((entry) => 8192 + (entry.kind === "file" ? Math.ceil(entry.sizeBytes / 512) * 512 : 0));
  return sizes.reduce((sum, size) => sum + size, 10_240);
}

async function writeCompressed(
  tar: readonly [Readable, ...Duplex[]],
  options: { codec: Codec; target: string; zstdLevel?: number; maxOutputBytes?: number },
): Promise<PayloadFile> {
  const { target, codec, maxOutputBytes = Number.POSITIVE_INFINITY } = options;
  const unpacked = counting(maxOutputBytes);
  const packed = counting(Number.POSITIVE_INFINITY);
  await writeWhole(target, (temporary) => {
    const file = createWriteStream(temporary, { flags: "wx", flush: true });
    return pipeline([...tar, unpacked.stream, compressor(options), packed.stream, file]);
  });
  return { path: target, codec, digest: packed.digest(), bytes: packed.bytes(), outputBytes: unpacked.bytes() };
}

async function packEntries(tar: Pack, directory: string, entries: readonly ManifestEntry[]): Promise<void> {
  for (const entry of entries) {
    if (tar.destroyed) return;
    await packEntry(tar, directory, entry);
  }
  tar.finalize();
}

async function packEntry(tar: Pack, directory: string, entry: ManifestEntry): Promise<void> {
  const common = { uid: 0, gid: 0, mtime: new Date(0), uname: "", gname: "" };
  if (entry.kind === "directory") {
    tar.entry({ ...common, type: "directory", name: `${entry.path}/`, mode: entry.mode, size: 0 });
  } else if (entry.kind === "link") {
    tar.entry({ ...common, type: "symlink", name: entry.path, linkname: entry.target, mode: 0o777, size: 0 });
  } else {
    await packFile(tar, directory, entry, common);
  }
}

async function packFile(
  tar: Pack,
  directory: string,
  entry: ManifestEntry & { kind: "file" },
  common: object,
): Promise<void> {
  await using file = await openTreeFile(`${directory}/${entry.path}`);
  const { size } = await file.stat();
  if (size !== entry.sizeBytes) throw treeChanged(entry.path);
  const header = { ...common, type: "file", name: entry.path, mode: entry.mode, size } as const;
  if (size === 0) {
    tar.entry(header, Buffer.alloc(0));
    return;
  }
  const sink = tar.entry(header);
  const content = counting(size);
  await pipeline(file.createReadStream({ autoClose: false, end: size - 1 }), content.stream, sink);
  if (content.digest() !== `sha256:${entry.sha256}`) throw treeChanged(entry.path);
}

function counting(maxBytes: number): { stream: Transform; bytes: () => number; digest: () => string } {
  const hash = createHash("sha256");
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) return done(tooLarge(maxBytes));
      hash.update(chunk);
      done(null, chunk);
    },
  });
  return { stream, bytes: () => bytes, digest: () => `sha256:${hash.copy().digest("hex")}` };
}

function treeChanged(path: string): CutoverError {
  return new CutoverError({
    code: "tree-changed",
    message: `${JSON.stringify(path)} changed while it was being published`,
    impact: "Nothing was published",
  });
}

function damaged(evidence: string, cause?: unknown): CutoverError {
  return new CutoverError({
    code: "payload-damaged",
    message: "A payload in the artifact repository is damaged",
    evidence,
    impact: "It is not sent to any host",
    remedy: "publish the version again",
    cause,
  });
}

function tooLarge(maxBytes: number): CutoverError {
  return new CutoverError({ code: "payload-too-large", message: `A payload unpacks to more than ${maxBytes} bytes` });
}
