// A version built from one that is here already and a patch: every kind of line, every codec, chains. What is built is exactly the signed tree, and
// the version it came from is left as it was (P4).
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { encodePatch, stageBetween } from "../support/hand-made-patch.ts";
import { buildFull, buildPatch, offerPatch, treeState } from "../support/host-patches.ts";
import { shells, withHost } from "../support/host-session.ts";
import { newTree, oldTree } from "../support/patch-trees.ts";

for (const shell of shells) {
  test(`${shell.name}: a patch with every kind of line builds the signed tree, and the old version stays as it was`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      await buildFull(host, session, "v1", oldTree);
      const before = treeState(join(host.root, "versions/v1"));
      const stage = stageBetween(oldTree, newTree);
      const result = await buildPatch(
        host,
        session,
        offerPatch(host, { version: "v2", from: oldTree, to: newTree, patch: encodePatch([stage]) }),
      );
      assert.match(result, /^done 0 /);
      assert.equal(treeState(join(host.root, "versions/v1")), before);
      await session.end();
    }));
}
