// Applies a patch with zstd and bspatch, beside host.sh: what a patch makes of a tree, as manifest entries and bytes.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ManifestEntry } from "../../src/package/manifest.ts";
import { readPatch } from "../../src/package/patch/patch-container.ts";
import { outputBytesOf, type PatchGroup } from "../../src/package/patch/patch-index.ts";

const run = promisify(execFile);

/** The manifest entries of what a patch of one stage makes from the tree in `directory`, unsorted. */
export async function applyPatch(
  patch: string,
  { directory, entries }: { readonly directory: string; readonly entries: readonly ManifestEntry[] },
): Promise<ManifestEntry[]> {
  const { index, blobsAt } = await readPatch(patch);
  const result = new Map(entries.map((entry) => [entry.path, entry]));
  for (const path of index.gone) result.delete(path);
  for (const entry of index.directories) result.set(entry.path, { kind: "directory", ...entry });
  for (const entry of index.links) result.set(entry.path, { kind: "link", ...entry });
  for (const { from, path, mode } of index.copies) {
    result.set(path, fileEntry({ path, mode }, await readFile(join(directory, from))));
  }
  const bytes = await readFile(patch);
  let at = blobsAt;
  for (const group of index.groups) {
    const output = await decode(group, { blob: bytes.subarray(at, at + group.blobBytes), directory });
    at += group.blobBytes;
    if (output.length !== outputBytesOf(group)) throw new Error(`${group.codec} gave ${output.length} bytes`);
    let from = 0;
    for (const { path, mode, sizeBytes } of group.files) {
      result.set(path, fileEntry({ path, mode }, output.subarray(from, from + sizeBytes)));
      from += sizeBytes;
    }
  }
  if (at !== bytes.length) throw new Error("bytes behind the last blob");
  return [...result.values()];
}

async function decode(
  { codec, reference }: PatchGroup,
  { blob, directory }: { readonly blob: Buffer; readonly directory: string },
): Promise<Buffer> {
  if (codec === "none") return blob;
  const folder = await mkdtemp(join(tmpdir(), "cutover-apply-"));
  try {
    const at = (name: string): string => join(folder, name);
    await writeFile(at("blob"), blob);
    await writeFile(
      at("ref"),
      Buffer.concat(await Promise.all(reference.map((path) => readFile(join(directory, path))))),
    );
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
