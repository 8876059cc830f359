import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { patchTools } from "../../../src/adapters/patch-tools.ts";
import { encodeManifest, parseManifest } from "../../../src/package/manifest.ts";
import { effortSettings, type PatchEffort } from "../../../src/package/patch/effort.ts";
import { makePatches } from "../../../src/package/patch/make-patches.ts";
import type { TreeSource } from "../../../src/package/patch/tree-source.ts";
import { nameTree } from "../../../src/package/publish-tree.ts";
import { scanTree } from "../../../src/package/scan-tree.ts";
import type { PatchVariant, PayloadFile } from "../../../src/ports.ts";
import { applyPatch } from "../../support/apply-patch.ts";
import { type RandomTree, treePair, writeTree } from "../../support/random-tree.ts";
import { withTemporaryDirectory } from "../../support/temporary-directory.ts";

const variants: readonly PatchVariant[] = ["zstd", "zstd-bsdiff"];

async function source(directory: string): Promise<TreeSource> {
  const { manifest, digest } = nameTree(directory, await scanTree(directory));
  return { digest, entries: parseManifest(manifest), locate: ({ path }) => join(directory, path) };
}

async function patchesBetween(folder: string, [old, next]: readonly [RandomTree, RandomTree], effort: PatchEffort) {
  const [oldDirectory, workDirectory] = [join(folder, "old"), join(folder, "work")];
  await writeTree(oldDirectory, old);
  await writeTree(join(folder, "new"), next);
  await mkdir(workDirectory);
  const [from, to] = [await source(oldDirectory), await source(join(folder, "new"))];
  const made: ReadonlyMap<PatchVariant, PayloadFile> = await makePatches({
    ...{ from, to, variants, workDirectory, tools: patchTools(), name: "test" },
    settings: effortSettings(effort, { memoryBytes: 8 * 1024 ** 3 }),
    target: (variant) => join(folder, variant),
  });
  return { from, to, made, directory: oldDirectory };
}

test("for any pair of trees the patch makes exactly the new one from the old", () =>
  fc.assert(
    fc.asyncProperty(treePair, fc.constantFrom<PatchEffort>("fast", "best"), (pair, effort) =>
      withTemporaryDirectory(async (folder) => {
        const { from, to, made, directory } = await patchesBetween(folder, pair, effort);
        assert.ok(made.has("zstd"));
        for (const { path, base } of made.values()) {
          const result = await applyPatch(path, { directory, entries: from.entries });
          assert.equal(encodeManifest(result), encodeManifest(to.entries));
          assert.equal(base, from.digest);
        }
      }),
    ),
    { numRuns: 40, interruptAfterTimeLimit: 10_000, markInterruptAsFailure: false },
  ));
