// The container of a patch on disk: stages, each a header line, a packed index, and the blobs of its groups.
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { zstdDecompressSync } from "node:zlib";
import type { Digest } from "../../model/names.ts";
import type { PayloadFile } from "../../model/transfer.ts";
import { writeWhole } from "../write-whole.ts";
import { malformedPatch, maxIndexBytes, type PatchIndex, parsePatchIndex } from "./patch-index.ts";

/** The index as it travels. */
export interface PackedIndex {
  readonly codec: "zstd" | "none";
  readonly bytes: Buffer;
  /** Size when unpacked. */
  readonly sizeBytes: number;
}

export interface StageHeader {
  /** Tree that the stage leads to; undefined in the last one. */
  readonly to: Digest | undefined;
  readonly codec: "zstd" | "xz" | "gzip" | "none";
  readonly packedBytes: number;
  readonly sizeBytes: number;
}

const headerGrammar =
  /^cutover-patch\/1 (-|sha256:[0-9a-f]{64}) (zstd|xz|gzip|none) (0|[1-9]\d{0,14}) (0|[1-9]\d{0,14})\n/;
const maxHeaderBytes = 256;

export function encodeStageHeader({ to, codec, packedBytes, sizeBytes }: StageHeader): string {
  return `cutover-patch/1 ${to ?? "-"} ${codec} ${packedBytes} ${sizeBytes}\n`;
}

/** Writes a patch of one stage; `blobs` are files in the order of the groups. The target appears by rename. */
export async function writePatch(input: {
  readonly index: PackedIndex;
  readonly blobs: readonly string[];
  readonly target: string;
}): Promise<{ readonly digest: string; readonly bytes: number }> {
  const { index, blobs, target } = input;
  const { codec, bytes, sizeBytes } = index;
  const header = encodeStageHeader({ to: undefined, codec, packedBytes: bytes.length, sizeBytes });
  return writeParts(target, [
    Buffer.concat([Buffer.from(header), bytes]),
    ...blobs.map((path) => ({ path, start: 0 })),
  ]);
}

/** Header and index of a patch's first stage, and where its blobs begin. Throws `malformed-patch`. */
export async function readPatch(
  path: string,
): Promise<{ readonly header: StageHeader; readonly index: PatchIndex; readonly blobsAt: number }> {
  const { header, headerBytes } = await readHeader(path);
  if (header.codec === "xz" || header.codec === "gzip") throw malformedPatch(`an index in ${header.codec}`);
  if (header.sizeBytes > maxIndexBytes) throw malformedPatch("an index that is too long");
  const packed = Buffer.alloc(Math.min(header.packedBytes, maxIndexBytes));
  await using file = await open(path, "r");
  await file.read(packed, 0, packed.length, headerBytes);
  const text = header.codec === "none" ? packed : zstdDecompressSync(packed, { maxOutputLength: header.sizeBytes + 1 });
  if (text.length !== header.sizeBytes) throw malformedPatch("the index has another size than its header says");
  return { header, index: parsePatchIndex(text.toString("latin1")), blobsAt: headerBytes + header.packedBytes };
}

/** One payload out of several patches of one stage each. */
export async function chainPatches(input: {
  readonly stages: readonly { readonly patch: PayloadFile; readonly to: Digest }[];
  readonly target: string;
}): Promise<PayloadFile> {
  const { stages, target } = input;
  const first = stages[0];
  if (first?.patch.base === undefined) throw malformedPatch("a chain without a patch");
  const parts: Part[] = [];
  for (const [at, { patch, to }] of stages.entries()) {
    const { header, headerBytes } = await readHeader(patch.path);
    parts.push(Buffer.from(encodeStageHeader({ ...header, to: at === stages.length - 1 ? undefined : to })));
    parts.push({ path: patch.path, start: headerBytes });
  }
  const written = await writeParts(target, parts);
  return {
    ...{ path: target, codec: "patch", base: first.patch.base, ...written },
    outputBytes: Math.max(...stages.map(({ patch }) => patch.outputBytes)),
    memoryMib: Math.max(...stages.map(({ patch }) => patch.memoryMib ?? 0)),
  };
}

async function readHeader(path: string): Promise<{ header: StageHeader; headerBytes: number }> {
  await using file = await open(path, "r");
  const start = Buffer.alloc(maxHeaderBytes);
  const { bytesRead } = await file.read(start, 0, maxHeaderBytes, 0);
  const found = headerGrammar.exec(start.toString("latin1", 0, bytesRead));
  if (found === null) throw malformedPatch("it does not begin with the line that patches begin with");
  const [line, to = "", codec = "", packedBytes, sizeBytes] = found;
  const header: StageHeader = {
    to: to === "-" ? undefined : to,
    codec: codec as StageHeader["codec"],
    packedBytes: Number(packedBytes),
    sizeBytes: Number(sizeBytes),
  };
  if (line.length + header.packedBytes > (await file.stat()).size) throw malformedPatch("it ends within its index");
  return { header, headerBytes: line.length };
}

type Part = Buffer | { readonly path: string; readonly start: number };

async function writeParts(target: string, parts: readonly Part[]): Promise<{ digest: string; bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  async function* chunks(): AsyncGenerator<Buffer> {
    for (const part of parts) {
      const pieces: AsyncIterable<Buffer> | Buffer[] = Buffer.isBuffer(part)
        ? [part]
        : createReadStream(part.path, part);
      for await (const piece of pieces) {
        hash.update(piece);
        bytes += piece.length;
        yield piece;
      }
    }
  }
  await writeWhole(target, (temporary) => pipeline(chunks, createWriteStream(temporary, { flags: "wx", flush: true })));
  return { digest: `sha256:${hash.digest("hex")}`, bytes };
}
