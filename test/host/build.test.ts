// From an offer to a built version, and every way in which that is refused.
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeOffer, withHost } from "../support/host-session.ts";
import { shells } from "../support/shells.ts";

for (const shell of shells) {
  test(`${shell.name}: an offered version is received, built and verified, with its bundle`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const offer = makeOffer(host, { bundle: [{ path: "migrate", content: "#!/bin/sh\n", mode: 0o755 }] });
      assert.deepEqual(await host.offer(session, offer), {
        data: [],
        fields: ["needed", "needed"],
        code: 0,
        reason: "",
        evidence: "",
      });
      assert.equal((await host.put(session, offer.payload)).code, 0);
      assert.equal((await host.put(session, offer.bundlePayload ?? Buffer.alloc(0))).code, 0);
      const events = await host.run(session, "build", [[host.task("build", "v1")], [host.task("check", "v1")]]);
      assert.deepEqual(
        events.map(({ sequence, event }) => [sequence, event.task, event.state, event.reason]),
        [
          [1, "h1/web/build", "running", ""],
          [2, "h1/web/build", "done", ""],
          [3, "h1/web/check", "running", ""],
          [4, "h1/web/check", "done", ""],
        ],
        JSON.stringify(events),
      );
      const version = join(host.root, "versions/v1");
      assert.equal(readFileSync(join(version, "data ä/a -> b"), "utf8"), "spaces and arrows");
      assert.equal(readlinkSync(join(version, "link")), "bin/app");
      assert.equal(statSync(join(version, "bin/app")).mode & 0o7777, 0o755);
      assert.ok(!existsSync(join(host.root, "current")));
      assert.deepEqual((await host.offer(session, offer)).fields, ["built", "built"]);
      assert.equal(await session.end(), 0);
    }));

  test(`${shell.name}: F21: a version that went back once and was damaged since is found by check, and built anew`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const offer = makeOffer(host);
      await host.offer(session, offer);
      await host.put(session, offer.payload);
      const tried = [
        [host.task("build", "v1")],
        [host.task("switch", "v1")],
        [host.task("switch", "v1", { action: "undo" })],
      ];
      const before = await host.run(session, "tried", tried);
      assert.equal(before.at(-1)?.event.state, "done", JSON.stringify(before));
      const damaged = join(host.root, "versions/v1/bin/app");
      chmodSync(damaged, 0o755);
      writeFileSync(damaged, "#!/bin/sh\necho ho\n");
      const found = await host.run(session, "found", [[host.task("check", "v1")]]);
      assert.equal(found.at(-1)?.event.reason, "verify-failed");
      assert.deepEqual((await host.offer(session, offer)).fields, ["needed", "none"]);
      await host.put(session, offer.payload);
      const mended = await host.run(session, "mended", [[host.task("build", "v1")], [host.task("check", "v1")]]);
      assert.equal(mended.at(-1)?.event.state, "done", JSON.stringify(mended));
      assert.equal(await session.end(), 0);
    }));

  test(`${shell.name}: a file in the place of versions/ fails the build with 73, and stays as it was`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const offer = makeOffer(host);
      await host.offer(session, offer);
      await host.put(session, offer.payload);
      mkdirSync(host.root, { recursive: true, mode: 0o755 });
      writeFileSync(join(host.root, "versions"), "somebody's");
      const events = await host.run(session, "build", [[host.task("build", "v1")]]);
      const { event } = events.at(-1) ?? assert.fail("no event");
      assert.deepEqual([event.state, event.exitCode, event.reason], ["failed", 73, "cannot-create"]);
      assert.deepEqual(readdirSync(host.root), ["versions"]);
      assert.equal(readFileSync(join(host.root, "versions"), "utf8"), "somebody's");
      assert.equal(await session.end(), 0);
    }));

  test(`${shell.name}: P1: an amended contract of a built version replaces the old one, which is there until then`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const built = makeOffer(host);
      await host.offer(session, built);
      await host.put(session, built.payload);
      await host.run(session, "build", [[host.task("build", "v1")]]);
      const amended = makeOffer(host, { sequence: 2, release: { "deadline.seconds": "61" } });
      assert.deepEqual((await host.offer(session, amended)).fields, ["built", "none"]);
      const kept = join(host.state, "components/web/releases/v1");
      const inode = statSync(kept).ino;
      const events = await host.run(session, "amend", [[host.task("build", "v1")], [host.task("check", "v1")]]);
      assert.equal(events.at(-1)?.event.state, "done", JSON.stringify(events));
      assert.match(readFileSync(join(kept, "release"), "utf8"), /^deadline.seconds 61$/m);
      assert.equal(statSync(kept).ino, inode, "the directory never went away");
      await session.end();
    }));
}
