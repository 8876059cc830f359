// The patch of a pair of published trees, made from their full payloads: by the controller when nobody published one.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { LackingError } from "../../errors.ts";
import type { Digest } from "../../model/names.ts";
import type { PatchVariant, PayloadFile } from "../../model/transfer.ts";
import type { OnProgress, PatchToolPort } from "../../ports.ts";
import type { FullPayloads } from "../full-payloads.ts";
import { parseManifest } from "../manifest.ts";
import { workPrefix } from "../payload-cache.ts";
import { unpackContents } from "../unpack-contents.ts";
import { compareTrees, type TreeDifference } from "./compare-trees.ts";
import type { EffortSettings } from "./effort.ts";
import type { FileEntry } from "./find-bases.ts";
import { makePatches } from "./make-patches.ts";
import type { TreeSource } from "./tree-source.ts";

/** Throws LackingError when the programs that the variant needs are not installed here. */
export async function makePairPatch(input: {
  readonly from: Digest;
  readonly to: Digest;
  readonly variant: PatchVariant;
  readonly settings: EffortSettings;
  readonly target: string;
  readonly cacheDirectory: string;
  readonly tools: PatchToolPort;
  readonly full: FullPayloads;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}): Promise<PayloadFile> {
  const { variant, tools, full, target, cacheDirectory } = input;
  if (!(await tools.installed()).includes("zstd"))
    throw new LackingError("The program zstd is not installed here, so no patch can be made", "apt-get install zstd");
  await mkdir(cacheDirectory, { recursive: true });
  const workDirectory = await mkdtemp(join(cacheDirectory, workPrefix));
  try {
    const entries = {
      from: parseManifest(await full.manifest(input.from)),
      to: parseManifest(await full.manifest(input.to)),
    };
    const difference = compareTrees(entries.from, entries.to);
    const open = (side: "from" | "to"): Promise<TreeSource> =>
      openPublishedTree({
        ...input,
        tree: input[side],
        entries: entries[side],
        files: filesRead(difference)[side],
        directory: join(workDirectory, side),
      });
    const [from, to] = [await open("from"), await open("to")];
    const made = await makePatches({
      ...input,
      ...{ from, to, variants: [variant], workDirectory, target: () => target },
      name: `patch ${input.from.slice(7, 15)} → ${input.to.slice(7, 15)}`,
    });
    const patch = made.get(variant);
    if (patch === undefined) throw new Error("no patch was made"); // one variant, one patch
    return patch;
  } finally {
    await rm(workDirectory, { recursive: true, force: true });
  }
}

/** The contents of these files of a published tree, on local disk. */
export async function openPublishedTree(input: {
  readonly tree: Digest;
  readonly full: FullPayloads;
  readonly entries: TreeSource["entries"];
  readonly files: readonly FileEntry[];
  /** Gets the contents; the caller removes it. */
  readonly directory: string;
  readonly signal?: AbortSignal;
}): Promise<TreeSource> {
  const { tree, full, entries, files, directory, signal } = input;
  const { path: payload } = await full.payload(tree, "zstd");
  const wanted = new Set(files.map(({ sha256 }) => sha256));
  await unpackContents({ payload, entries, wanted, directory, ...(signal ? { signal } : {}) });
  return { digest: tree, entries, locate: ({ sha256 }) => join(directory, sha256) };
}

/** What making a patch reads of each tree. */
export function filesRead({ changed }: TreeDifference): { from: FileEntry[]; to: FileEntry[] } {
  return {
    from: changed.flatMap(({ base }) => (base === undefined ? [] : [base])),
    to: changed.map(({ file }) => file),
  };
}
