// A version built from one that is here already and a patch: every kind of line, every codec, chains. What is built is exactly the signed tree, and
// the version that it came from is left as it was (P4).
import assert from "node:assert/strict";
import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { encodePatch, stageBetween } from "../support/hand-made-patch.ts";
import { buildFull, buildOffer, offerPatch, treeState } from "../support/host-patches.ts";
import { manifestOf, type TreeEntry, withHost } from "../support/host-session.ts";
import { newTree, noise, oldTree, thirdTree } from "../support/patch-trees.ts";
import { inTurn, shells } from "../support/shells.ts";

for (const shell of shells) {
  const test = inTurn(shell.name);
  test(`${shell.name}: a patch with every kind of line builds the signed tree, and the old version stays as it was (P4)`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const probe = new Map((await session.request("probe")).data.map(([key = "", value = ""]) => [key, value]));
      assert.equal(probe.get("tool.zstd-patch"), "yes");
      assert.equal(probe.get("tool.bspatch"), "yes");
      await buildFull(host, session, "v1", oldTree);
      const old = join(host.root, "versions/v1");
      const before = treeState(old);
      const patch = encodePatch([stageBetween(oldTree, newTree)]);
      const offer = offerPatch(host, { version: "v2", from: oldTree, to: newTree, patch });
      assert.match(await buildOffer(host, session, offer), /^done 0 /);
      assert.equal(treeState(old), before, "no byte, mode or time of the old version changed");
      const built = join(host.root, "versions/v2");
      const inode = (path: string) => lstatSync(path).ino;
      assert.equal(inode(join(built, "share/same")), inode(join(old, "share/same")), "what stays takes no space");
      assert.equal(inode(join(built, "lib/1.1/a")), inode(join(old, "lib/1.0/a")), "nor does what moves");
      assert.notEqual(inode(join(built, "share/mode")), inode(join(old, "share/mode")), "another mode is another file");
      assert.notEqual(inode(join(built, ".cutover-verified")), inode(join(old, ".cutover-verified")));
      assert.equal(readFileSync(join(host.state, "components/web/releases/v2/manifest"), "utf8"), manifestOf(newTree));
      assert.deepEqual(
        readdirSync(join(host.state, "incoming")).filter((name) => !name.startsWith(".session-")),
        [],
      );
      const checked = await host.run(session, "check", [[host.task("check", "v2")]]);
      assert.equal(checked.at(-1)?.event.state, "done");
      const back = offerPatch(host, {
        ...{ version: "v3", from: newTree, to: oldTree },
        patch: encodePatch([stageBetween(newTree, oldTree, { codec: "zstd" })]),
      });
      assert.match(await buildOffer(host, session, back), /^done 0 /, "back again");
      await session.end();
    }));

  test(`${shell.name}: every codec, references of other paths, empty files and files without a base`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const old: TreeEntry[] = [1, 2, 3].map((seed) => ({ path: `f${seed}`, content: noise(seed, 5_000) }));
      await buildFull(host, session, "v1", old);
      const content = Buffer.concat([noise(2, 5_000), Buffer.from("more"), noise(1, 5_000)]);
      const made = (codec: string): TreeEntry => ({ path: `by ${codec}`, content, mode: 0o640 });
      const empty: TreeEntry[] = ["e1", "e2"].map((path) => ({ path, content: "" }));
      const to = [...old, ...["zstd-patch", "bsdiff", "zstd", "xz", "gzip", "none"].map(made), ...empty];
      const patch = encodePatch([
        {
          from: old,
          codec: "gzip",
          groups: [
            { codec: "zstd-patch", reference: ["f2", "f1"], files: [made("zstd-patch")] },
            { codec: "bsdiff", reference: ["f2"], files: [made("bsdiff"), ...empty.slice(1)] },
            ...(["zstd", "xz", "gzip", "none"] as const).map((codec) => ({ codec, files: [made(codec)] })),
            { codec: "none", files: empty.slice(0, 1) },
          ],
        },
      ]);
      const offer = offerPatch(host, { version: "v2", from: old, to, patch });
      assert.match(await buildOffer(host, session, offer), /^done 0 /);
      await session.end();
    }));

  test(`${shell.name}: a chain of two stages leads over a tree that is never a version`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      await buildFull(host, session, "v1", oldTree);
      const before = treeState(join(host.root, "versions/v1"));
      const stages = [
        stageBetween(oldTree, newTree, { last: false }),
        stageBetween(newTree, thirdTree, { codec: "bsdiff" }),
      ];
      const offer = offerPatch(host, { version: "v3", from: oldTree, to: thirdTree, patch: encodePatch(stages) });
      assert.match(await buildOffer(host, session, offer), /^done 0 /);
      assert.equal(treeState(join(host.root, "versions/v1")), before);
      assert.deepEqual(readdirSync(join(host.root, "versions")).sort(), ["v1", "v3"]);
      assert.equal(statSync(join(host.root, "versions/v3")).mode & 0o7777, 0o755);
      await session.end();
    }));
}
