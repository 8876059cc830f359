// The patches between two trees of a test, made as a publisher makes them.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { patchTools } from "../../src/adapters/patch-tools.ts";
import type { PatchVariant, PayloadFile } from "../../src/model/transfer.ts";
import { effortSettings, type PatchEffort } from "../../src/package/patch/effort.ts";
import { makePatches } from "../../src/package/patch/make-patches.ts";
import type { TreeSource } from "../../src/package/patch/tree-source.ts";
import type { PatchToolPort } from "../../src/ports.ts";
import { type RandomTree, storeTree } from "./random-tree.ts";

export interface PatchesBetween {
  readonly from: TreeSource;
  readonly to: TreeSource;
  readonly made: ReadonlyMap<PatchVariant, PayloadFile>;
}

/** Everything stays in `folder`, which is fresh. */
export async function patchesBetween(
  folder: string,
  [old, next]: readonly [RandomTree, RandomTree],
  {
    effort = "fast",
    tools = patchTools(),
    memoryBytes = 8 * 1024 ** 3,
  }: { readonly effort?: PatchEffort; readonly tools?: PatchToolPort; readonly memoryBytes?: number } = {},
): Promise<PatchesBetween> {
  const workDirectory = join(folder, "work");
  await mkdir(workDirectory, { recursive: true });
  const from = await storeTree(join(folder, "old"), old);
  const to = await storeTree(join(folder, "new"), next);
  const made = await makePatches({
    ...{ from, to, variants: ["zstd", "zstd-bsdiff"], workDirectory, tools, name: "test" },
    settings: effortSettings(effort, { memoryBytes }),
    target: (variant) => join(folder, variant),
  });
  return { from, to, made };
}
