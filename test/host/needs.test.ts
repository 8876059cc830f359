// What a contract needs of a machine (R54): the signed keys, and what a host says when it has not enough.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { rename, symlink } from "node:fs/promises";
import { makeOffer, withHost } from "../support/host-session.ts";
import { inTurn, shells } from "../support/shells.ts";

const memoryMb = Math.floor(Number(/^MemTotal: +(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) / 1024);

for (const shell of shells) {
  const test = inTurn(shell.name);
  test(`${shell.name}: a machine with too little memory is refused with both figures, one with just enough is not (R54)`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const check = async (version: string, release: Record<string, string>) => {
        const offer = makeOffer(host, { version, sequence: Number(version.slice(1)), release });
        const offered = await host.offer(session, offer);
        assert.equal(offered.code, 0, `${offered.reason} ${offered.evidence}`);
        await host.put(session, offer.payload);
        const groups = [[host.task("build", version)], [host.task("check", version)]];
        const { event } = (await host.run(session, `check-${version}`, groups)).at(-1) ?? assert.fail("no event");
        return event;
      };
      const enough = { "needs.memory-mb": `${memoryMb}`, "needs.component.cache": ">=7 <8 || ^9.1 || 10.x || *" };
      assert.equal((await check("v1", enough)).state, "done");
      const event = await check("v2", { "needs.memory-mb": "99999999" });
      assert.deepEqual([event.state, event.exitCode, event.reason], ["failed", 69, "needs-missing"]);
      assert.equal(event.evidence, `memory ${memoryMb} MB found, 99999999 needed`);
      assert.equal(await session.end(), 0);
    }));

  test(`${shell.name}: a root that has become a link since the version was built is named by the check, before anything is touched (T35)`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const offer = makeOffer(host, { version: "v1", sequence: 1, release: {} });
      assert.equal((await host.offer(session, offer)).code, 0);
      await host.put(session, offer.payload);
      const last = async (step: string, kind: "build" | "check") =>
        (await host.run(session, step, [[host.task(kind, "v1")]])).at(-1)?.event ?? assert.fail("no event");
      assert.equal((await last("build", "build")).state, "done");
      await rename(host.root, `${host.root}-real`);
      await symlink(`${host.root}-real`, host.root);
      const event = await last("check", "check");
      assert.deepEqual([event.exitCode, event.reason], [69, "needs-missing"], event.evidence);
      assert.match(event.evidence, /is reached through a link and really is \S+-real/);
      assert.equal(await session.end(), 0);
    }));

  test(`${shell.name}: a need that is no range, or of no component, is no release (R54, T23)`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const wrong = [
        { "needs.component.cache": "$(touch x)" },
        { "needs.component.1cache": "7" },
        { "needs.component.": "7" },
        { "needs.memory-mb": "1 GB" },
      ];
      for (const release of wrong) {
        const refused = await host.offer(session, makeOffer(host, { release: release as Record<string, string> }));
        assert.notEqual(refused.code, 0, JSON.stringify(release));
      }
      assert.equal(await session.end(), 0);
    }));
}
