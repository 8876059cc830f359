// Where the bytes of a tree's files are while a patch is made, and how they are read: each against its digest.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { CutoverError } from "../../errors.ts";
import type { Digest } from "../../model/names.ts";
import type { ManifestEntry } from "../manifest.ts";
import { openTreeFile } from "../scan-tree.ts";
import type { FileEntry } from "./find-bases.ts";

export interface TreeSource {
  readonly digest: Digest;
  readonly entries: readonly ManifestEntry[];
  /** The file on disk that holds these bytes. */
  locate(file: FileEntry): string;
}

/** The files one after the other in `target`. Throws `tree-changed` when one is not what its manifest says. */
export async function concatenateFiles(
  source: TreeSource,
  { files, target }: { readonly files: readonly FileEntry[]; readonly target: string },
): Promise<void> {
  async function* bytes(): AsyncGenerator<Buffer> {
    for (const file of files) yield* checkedBytes(source, file);
  }
  await pipeline(bytes, createWriteStream(target, { flags: "wx" }));
}

async function* checkedBytes(source: TreeSource, file: FileEntry): AsyncGenerator<Buffer> {
  if (file.sizeBytes === 0) return;
  await using handle = await openTreeFile(source.locate(file));
  const hash = createHash("sha256");
  for await (const chunk of handle.createReadStream({ autoClose: false, end: file.sizeBytes - 1 })) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest("hex") === file.sha256) return;
  throw new CutoverError({
    code: "tree-changed",
    message: `${JSON.stringify(file.path)} changed while a patch was being made`,
    impact: "No patch was made",
  });
}
