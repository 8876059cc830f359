// Makes the patch of two directories as `publish` does, in a process of its own so that it can be measured. Arguments: old and
// new directory, effort, variant, target file. Prints what it made as JSON.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { patchTools } from "../../src/adapters/patch-tools.ts";
import type { PatchVariant } from "../../src/model/transfer.ts";
import { parseManifest } from "../../src/package/manifest.ts";
import { effortSettings, type PatchEffort } from "../../src/package/patch/effort.ts";
import { makePatches } from "../../src/package/patch/make-patches.ts";
import type { TreeSource } from "../../src/package/patch/tree-source.ts";
import { nameTree } from "../../src/package/publish-tree.ts";
import { scanTree } from "../../src/package/scan-tree.ts";

const [older = "", newer = "", effort = "", variant = "", target = ""] = process.argv.slice(2);

async function open(directory: string): Promise<TreeSource> {
  const { digest, manifest } = nameTree(directory, await scanTree(directory));
  return { digest, entries: parseManifest(manifest), locate: ({ path }) => join(directory, path) };
}

const workDirectory = await mkdtemp(join(tmpdir(), "cutover-bench-make-"));
try {
  const made = await makePatches({
    ...{ from: await open(older), to: await open(newer), tools: patchTools(), workDirectory, name: "bench" },
    variants: [variant as PatchVariant],
    settings: effortSettings(effort as PatchEffort, { memoryBytes: totalmem() }),
    target: () => target,
  });
  process.stdout.write(JSON.stringify(made.get(variant as PatchVariant)));
} finally {
  await rm(workDirectory, { recursive: true, force: true });
}
