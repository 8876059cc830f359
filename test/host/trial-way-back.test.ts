// What a host takes back by itself, or goes on to take back: after a restart, and once it can.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes, endWatcher } from "../support/trial-clock.ts";
import { confirm, switchTo, twoVersions } from "../support/trial-steps.ts";
import { until } from "../support/until.ts";

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: P8: a host that goes back by itself, at its deadline or at boot, also before the switch, is in service again: what its run drained is brought back, once`, () =>
      withPartsHost(shell, async (host) => {
        const words = join(host.base, "words");
        const bundle = {
          out: `#!/bin/sh\necho "drained by $CUTOVER_VERSION" >>${words}\n`,
          back: `#!/bin/sh\necho "back with $(readlink "$CUTOVER_ROOT/current")" >>${words}\n`,
        };
        const contract = { "drain.task": "drain", "task.drain.do": "out", "task.drain.undo": "back" };
        await twoVersions(host);
        await host.install("v2", { bundle, contract });
        const drainAndSwitch = async (run: string) => {
          assert.equal((await host.task("drain", "do", { version: "v2", run })).exitCode, 0);
          assert.equal((await host.task("switch", "do", { version: "v2", run })).exitCode, 0);
        };
        const once = "drained by v2\nback with versions/v1\n";
        await drainAndSwitch("r1");
        await deadlineComes(host);
        // Written last: before that the way back is still at work, and the guard would find it busy.
        await until("the way back", 5000, async () => existsSync(join(host.state, "components/web/undrained")));
        assert.equal(await readFile(words, "utf8"), once);
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.match(
          (await host.task("drain", "undo", { version: "v2", run: "r1" })).evidence,
          /back in service already/,
        );
        assert.equal(await readFile(words, "utf8"), once);
        await drainAndSwitch("r2");
        await endWatcher(host);
        const record = join(host.state, "components/web/trial/armed/trial");
        await writeFile(record, (await readFile(record, "utf8")).replace(/^boot-id .*/m, "boot-id another-boot"));
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.equal(await readFile(words, "utf8"), once + once);
        await drainAndSwitch("r3");
        await endWatcher(host); // it would bring back what it finds taken back
        await host.task("switch", "undo", { version: "v2", run: "r3" });
        assert.equal(await readFile(words, "utf8"), `${once}${once}drained by v2\n`, "the controller has its own undo");
        await host.task("drain", "undo", { version: "v2", run: "r3" });
        assert.equal(await readFile(words, "utf8"), once + once + once);
        assert.equal((await host.task("drain", "do", { version: "v2", run: "r4" })).exitCode, 0);
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.equal(await readFile(words, "utf8"), `${once.repeat(3)}drained by v2\n`, "that run may go on");
        const drained = join(host.state, "components/web/drained");
        await writeFile(drained, (await readFile(drained, "utf8")).replace(/^boot-id .*/m, "boot-id another-boot"));
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.equal(await readFile(words, "utf8"), once.repeat(4), "started anew, nobody goes on with that step");
      }));

    test(`${name}: P8, F14: after a reboot the guard takes an unconfirmed switch back, and finishes an interrupted way back`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await switchTo(host, "v2");
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.equal(await host.trial(), "armed", "the guard leaves a trial alone whose deadline is watched");
        await endWatcher(host);
        const record = join(host.state, "components/web/trial/armed/trial");
        await writeFile(record, (await readFile(record, "utf8")).replace(/^boot-id .*/m, "boot-id another-boot"));
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.equal(await host.trial(), "reverted");
        assert.equal(await host.current(), "v1");
        assert.match(await host.trialFile("outcome"), /reason boot/);
        await switchTo(host, "v2");
        await endWatcher(host);
        await host.word("call", "trial_move", "web", "armed", "reverting"); // killed right after the decision
        assert.equal(await host.current(), "v2");
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.equal(await host.trial(), "reverted");
        assert.equal(await host.current(), "v1");
      }));

    test(`${name}: P8, F14: no confirm and no continued switch after a reboot without a guard; the host goes back instead`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        for (const late of ["confirm", "switch"]) {
          await switchTo(host, "v2");
          await endWatcher(host);
          const armed = join(host.state, "components/web/trial/armed");
          const record = await readFile(join(armed, "trial"), "utf8");
          await writeFile(join(armed, "trial"), record.replace(/^boot-id .*/, "boot-id before"));
          if (late === "switch") await rm(join(armed, "switched"));
          const refused = await (late === "switch" ? switchTo(host, "v2") : confirm(host, "v2"));
          assert.match(refused.evidence, /started anew during the trial/);
          await until("the way back", 4000, async () => (await host.trial()) === "reverted");
          assert.equal(await host.current(), "v1");
        }
      }));

    test(`${name}: F14: probation outlives a reboot: the guard starts it again, and it ends as signed`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host, { "probation.seconds": "60", "probation.at-end": "revert" });
        await switchTo(host, "v2");
        assert.equal((await confirm(host, "v2")).exitCode, 0);
        const trial = join(host.state, "components/web/trial");
        await endWatcher(host, { of: "probation" });
        const record = await readFile(join(trial, "confirmed/trial"), "utf8");
        await writeFile(join(trial, "confirmed/trial"), record.replace(/^boot-id .*/m, "boot-id another-boot"));
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.deepEqual([await host.trial(), await host.current()], ["confirmed", "v2"]);
        await deadlineComes(host, { of: "probation" });
        await until("the end of probation", 6000, async () => (await host.trial()) === "reverted");
        assert.equal(await host.current(), "v1");
      }));

    test(`${name}: F17, P1: a way back whose version is gone is not taken: current stays complete, the host says reverting`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await switchTo(host, "v2");
        const marker = join(host.base, "web/versions/v1/.cutover-verified");
        const digest = await readFile(marker, "utf8");
        await rm(marker);
        const stuck = await host.task("switch", "undo", { version: "v2" });
        assert.deepEqual([stuck.exitCode, stuck.reason], [71, "way-back-missing"]);
        assert.equal(await host.current(), "v2");
        assert.equal(await host.trial(), "reverting");
        await writeFile(marker, digest);
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.equal(await host.current(), "v1");
      }));

    for (const confirmed of [false, true])
      test(`${name}: F6, P8: a way back of ${confirmed ? "a confirmed" : "an armed"} trial that could not be gone is gone by the host itself once it can`, () =>
        withPartsHost(shell, async (host) => {
          await twoVersions(host);
          await switchTo(host, "v2");
          if (confirmed) assert.equal((await confirm(host, "v2")).exitCode, 0);
          const marker = join(host.base, "web/versions/v1/.cutover-verified");
          const digest = await readFile(marker, "utf8");
          await rm(marker);
          // Who waits for the deadline of an armed trial lives, and takes over; of a confirmed one nobody does.
          const stuck = await host.task("switch", "undo", { version: "v2" });
          assert.deepEqual([stuck.exitCode, stuck.reason], [71, "way-back-missing"]);
          assert.equal(await host.trial(), "reverting");
          await writeFile(marker, digest);
          await until("the way back", 15_000, async () => (await host.trial()) === "reverted");
          assert.equal(await host.current(), "v1");
        }));

    test(`${name}: P5: a host that still tries to bring an old trial's drain to its end leaves a later trial alone`, () =>
      withPartsHost(shell, async (host) => {
        const broken = join(host.base, "broken");
        const tree = { "bin/app": "#!/bin/sh\n" };
        const bundle = { out: "#!/bin/sh\n", in: `#!/bin/sh\n[ ! -e ${broken} ]\n` };
        const contract = { "drain.task": "out", "task.out.do": "out", "task.out.undo": "in" };
        await host.install("v1");
        await host.install("v2", { contract, tree, bundle });
        await host.install("v3");
        for (const kind of ["switch", "confirm", "commit"])
          await host.task(kind, "do", { version: "v1", run: "r0", session: kind });
        await writeFile(broken, "");
        assert.equal((await host.task("drain", "do", { version: "v2" })).exitCode, 0);
        assert.equal((await switchTo(host, "v2")).exitCode, 0);
        await deadlineComes(host);
        await until("the way back", 5_000, async () => (await host.trial()) === "reverted");
        assert.equal((await host.task("switch", "do", { version: "v3", run: "r2", session: "a" })).exitCode, 0);
        await delay(4_000);
        assert.deepEqual([await host.trial(), await host.current()], ["armed", "v3"]);
      }));
  });
}
