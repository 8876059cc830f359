// Random trees for property tests, and trees that came out of them by what a release does: edits, renames, deletions, changes of kind.
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { encodeManifest, type ManifestEntry, parseManifest, treeDigest } from "../../src/package/manifest.ts";
import type { TreeSource } from "../../src/package/patch/tree-source.ts";

/** What stands at a path. */
export type Leaf =
  | { readonly kind: "file"; readonly content: Buffer; readonly mode: number }
  | { readonly kind: "directory"; readonly mode: number }
  | { readonly kind: "link"; readonly target: string };

/** Path → leaf; directories on the way are implied, with mode 0755. */
export type RandomTree = ReadonlyMap<string, Leaf>;

const names = [
  "a",
  "b",
  "lib",
  "x y",
  "naïve",
  "%41",
  "-rf",
  "k=v",
  "chunk-3F9A2C71.js",
  "chunk-77D0E1B2.js",
  "ünï",
  "#!",
  "'q'",
  "$(x)",
];
const path = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const mode = fc.constantFrom(0o644, 0o755, 0o600, 0o444);
const content = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.nat(5), fc.nat(3000))
    .map(([seed, size]) => Buffer.alloc(size, `line ${seed} of a file that compresses\n`)),
);
const leaf: fc.Arbitrary<Leaf> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("file" as const), content, mode }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("directory" as const), mode: fc.constantFrom(0o755, 0o700) }) },
  { weight: 1, arbitrary: fc.constantFrom("a", "b", "lib").map((target) => ({ kind: "link" as const, target })) },
);
const tree = fc.array(fc.tuple(path, leaf), { maxLength: 14 }).map((entries) => settle(entries));

type Change = {
  readonly at: number;
  readonly to: string;
  readonly what: "edit" | "move" | "copy" | "remove" | "mode" | "kind";
};
const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(30),
  to: path,
  what: fc.constantFrom("edit", "move", "copy", "remove", "mode", "kind"),
});

/** An old tree, and a new one that mostly comes from it. */
export const treePair: fc.Arbitrary<readonly [RandomTree, RandomTree]> = fc
  .tuple(tree, fc.array(change, { maxLength: 8 }), tree, fc.boolean())
  .map(([old, changes, other, unrelated]) => [old, unrelated ? other : settle(changes.reduce(applyChange, [...old]))]);

/** Everything in a tree, the directories on the way included. */
export function treeEntries(tree: RandomTree): ManifestEntry[] {
  const entries = new Map<string, ManifestEntry>();
  for (const [path, leaf] of tree) {
    for (const parent of parentsOf(path))
      if (!entries.has(parent)) entries.set(parent, { kind: "directory", path: parent, mode: 0o755 });
    if (leaf.kind === "file") {
      const { mode, content } = leaf;
      entries.set(path, { kind: "file", path, mode, sizeBytes: content.length, sha256: sha256(content) });
    } else entries.set(path, { ...leaf, path });
  }
  return [...entries.values()];
}

/** The same as something to make patches of: its contents in `directory`, each under its digest. */
export async function storeTree(directory: string, tree: RandomTree): Promise<TreeSource> {
  await mkdir(directory, { recursive: true });
  for (const leaf of tree.values()) {
    if (leaf.kind === "file") await writeFile(join(directory, sha256(leaf.content)), leaf.content);
  }
  const manifest = encodeManifest(treeEntries(tree));
  const locate: TreeSource["locate"] = ({ sha256 }) => join(directory, sha256);
  return { digest: treeDigest(manifest), entries: parseManifest(manifest), locate };
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

function applyChange(entries: (readonly [string, Leaf])[], { at, to, what }: Change): (readonly [string, Leaf])[] {
  const index = at % Math.max(1, entries.length);
  const found = entries[index];
  if (found === undefined) return entries;
  const [path, leaf] = found;
  const others = entries.filter((_, each) => each !== index);
  switch (what) {
    case "remove":
      return others;
    case "move":
      return [...others, [to, leaf]];
    case "copy":
      return [...entries, [to, leaf]];
    case "kind":
      return [...others, [path, leaf.kind === "file" ? { kind: "directory", mode: 0o755 } : fresh(to)]];
    case "mode":
      return [...others, [path, leaf.kind === "file" ? { ...leaf, mode: leaf.mode ^ 0o111 } : leaf]];
    case "edit":
      return [
        ...others,
        [path, leaf.kind === "file" ? { ...leaf, content: Buffer.concat([leaf.content, Buffer.from(to)]) } : fresh(to)],
      ];
  }
}

function fresh(text: string): Leaf {
  return { kind: "file", content: Buffer.from(text), mode: 0o644 };
}

/** Leaves out what a manifest would refuse: something below a file, twins, links that leave the tree. */
function settle(entries: readonly (readonly [string, Leaf])[]): RandomTree {
  const settled = new Map<string, Leaf>();
  for (const [path, leaf] of entries) {
    const parents = parentsOf(path);
    const blocked = parents.some((parent) => settled.has(parent) && settled.get(parent)?.kind !== "directory");
    const holds = [...settled.keys()].some((other) => other.startsWith(`${path}/`));
    if (blocked || settled.has(path) || (holds && leaf.kind !== "directory")) continue;
    settled.set(path, leaf);
  }
  return settled;
}
