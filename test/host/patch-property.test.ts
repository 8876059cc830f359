// Patches as publishers make them, applied by the real host.sh: for random pairs of trees the new version is exactly the signed one, and nothing
// of the version that it came from has changed (P3, P4).
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { assertProperty } from "../support/assert-property.ts";
import { buildFull, buildOffer, offerPatch, treeState } from "../support/host-patches.ts";
import { type TreeEntry, withHost } from "../support/host-session.ts";
import { patchesBetween } from "../support/patch-between.ts";
import { type RandomTree, treeEntries, treePair } from "../support/random-tree.ts";
import { shells } from "../support/shells.ts";

function testEntries(tree: RandomTree): TreeEntry[] {
  return treeEntries(tree).map((entry) => {
    if (entry.kind === "link") return { path: entry.path, link: entry.target };
    if (entry.kind === "directory") return { path: entry.path, mode: entry.mode, directory: true };
    const leaf = tree.get(entry.path);
    return { path: entry.path, mode: entry.mode, content: leaf?.kind === "file" ? leaf.content : "" };
  });
}

for (const shell of shells.filter(({ name }) => name !== "bash")) {
  test(`${shell.name}: for any pair of trees a patch rebuilds the new one and leaves the old one alone (P3, P4)`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      let pairs = 0;
      await assertProperty(treePair, { runs: 12, ms: 5_000 }, async (pair) => {
        pairs += 1;
        const [from, to] = pair.map(testEntries) as [TreeEntry[], TreeEntry[]];
        await buildFull(host, session, `${pairs}.0`, from);
        const old = join(host.root, "versions", `${pairs}.0`);
        const before = treeState(old);
        const { made } = await patchesBetween(join(host.directory, `pair-${pairs}`), pair);
        for (const [variant, { path, outputBytes, memoryMib }] of made) {
          const patch = { payload: await readFile(path), outputBytes };
          const more = { envelope: { "memory-mib": `${memoryMib}` } };
          const offer = offerPatch(host, { version: `${pairs}.${variant}`, from, to, patch, more });
          assert.match(await buildOffer(host, session, offer), /^done 0 +built /);
        }
        assert.equal(treeState(old), before, "no byte, mode or time of the old version changed");
      });
      await session.end();
    }));
}
