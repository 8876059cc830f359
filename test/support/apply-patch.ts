// Applies a patch with zstd and bspatch, beside host.sh: what a patch makes of a tree, as manifest entries and bytes.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ManifestEntry } from "../../src/package/manifest.ts";
import { readPatch } from "../../src/package/patch/patch-container.ts";
import { type GroupCodec, outputBytesOf } from "../../src/package/patch/patch-index.ts";
import type { TreeSource } from "../../src/package/patch/tree-source.ts";

const run = promisify(execFile);

/** The manifest entries of what a patch of one stage makes from a tree, unsorted. */
export async function applyPatch(patch: string, from: TreeSource): Promise<ManifestEntry[]> {
  const { index, blobsAt } = await readPatch(patch);
  const result = new Map(from.entries.map((entry) => [entry.path, entry]));
  const contentOf = (path: string): Promise<Buffer> => {
    const file = from.entries.find((entry) => entry.path === path);
    if (file?.kind !== "file") throw new Error(`${path} is no file of the base`);
    return readFile(from.locate(file));
  };
  for (const path of index.gone) result.delete(path);
  for (const entry of index.directories) result.set(entry.path, { kind: "directory", ...entry });
  for (const entry of index.links) result.set(entry.path, { kind: "link", ...entry });
  for (const { from: old, path, mode } of index.copies) {
    result.set(path, fileEntry({ path, mode }, await contentOf(old)));
  }
  const bytes = await readFile(patch);
  let at = blobsAt;
  for (const group of index.groups) {
    const reference = Buffer.concat(await Promise.all(group.reference.map(contentOf)));
    const output = await decode(group.codec, { blob: bytes.subarray(at, at + group.blobBytes), reference });
    at += group.blobBytes;
    if (output.length !== outputBytesOf(group)) throw new Error(`${group.codec} gave ${output.length} bytes`);
    let cut = 0;
    for (const { path, mode, sizeBytes } of group.files) {
      result.set(path, fileEntry({ path, mode }, output.subarray(cut, cut + sizeBytes)));
      cut += sizeBytes;
    }
  }
  if (at !== bytes.length) throw new Error("bytes behind the last blob");
  return [...result.values()];
}

async function decode(
  codec: GroupCodec,
  { blob, reference }: { readonly blob: Buffer; readonly reference: Buffer },
): Promise<Buffer> {
  if (codec === "none") return blob;
  const folder = await mkdtemp(join(tmpdir(), "cutover-apply-"));
  try {
    const at = (name: string): string => join(folder, name);
    await writeFile(at("blob"), blob);
    await writeFile(at("ref"), reference);
    if (codec === "bsdiff") await run("bspatch", [at("ref"), at("out"), at("blob")]);
    else {
      const against = codec === "zstd-patch" ? [`--patch-from=${at("ref")}`] : [];
      await run("zstd", ["-dq", ...against, "--memory=1024MB", at("blob"), "-o", at("out")]);
    }
    return await readFile(at("out"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function fileEntry({ path, mode }: { readonly path: string; readonly mode: number }, bytes: Buffer): ManifestEntry {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { kind: "file", path, mode, sizeBytes: bytes.length, sha256 };
}
