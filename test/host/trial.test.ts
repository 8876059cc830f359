// The dead man's switch, on real processes and the real clock.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { insertedAt } from "../support/killed-at.ts";
import { deadlineComes, endWatcher } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

/** Why a directory cannot be made immutable here (needs root and a file system that knows it); false when it can. */
const noImmutable = ((): string | false => {
  const probe = mkdtempSync(join(tmpdir(), "cutover-immutable-"));
  try {
    execFileSync("chattr", ["+i", probe], { stdio: "ignore" });
    execFileSync("chattr", ["-i", probe], { stdio: "ignore" });
    return false;
  } catch {
    return "chattr +i does not work for this user on this file system";
  } finally {
    rmSync(probe, { recursive: true });
  }
})();
/** v1 committed, v2 built by that contract. */
async function twoVersions(host: PartsHost, contract: Record<string, string> = {}): Promise<void> {
  await host.install("v1");
  await host.install("v2", { contract });
  assert.equal((await host.task("switch", "do", { version: "v1", run: "r0", session: "a" })).exitCode, 0);
  assert.equal((await host.task("confirm", "do", { version: "v1", run: "r0", session: "b" })).exitCode, 0);
  assert.equal((await host.task("commit", "do", { version: "v1", run: "r0" })).exitCode, 0);
}
const switchTo = (host: PartsHost, version: string, deadline = "600") =>
  host.task("switch", "do", { version, session: "a", options: { deadline } });
const confirm = (host: PartsHost, version: string, session = "b") => host.task("confirm", "do", { version, session });
const uptimeMs = async (): Promise<number> => Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]) * 1000;
const deadlineMs = async (host: PartsHost, component = "web"): Promise<number> =>
  Number(/^deadline (\d+)$/m.exec(await host.trialFile("trial", component))?.[1]) * 10;

for (const shell of shells) {
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: a switch that is confirmed and committed stays, its deadline is gone`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        const switched = await switchTo(host, "v2");
        assert.match(switched.evidence, /from=v1 to=v2 ms=\d+/);
        assert.equal(await host.current(), "v2");
        assert.equal(await host.trial(), "armed");
        assert.equal(
          (await switchTo(host, "v2")).evidence,
          switched.evidence,
          "again: the same answer, no second switch (P6)",
        );
        assert.match((await confirm(host, "v2")).evidence, /confirmed=v2 from=v1/);
        assert.equal(await host.trial(), "confirmed");
        assert.match((await host.task("commit", "do", { version: "v2" })).evidence, /committed=v2 removed=0/);
        assert.equal(await host.trial(), "none");
        assert.match((await host.word("call", "trial_facts", "web")).stdout, /^state committed$/m);
        assert.match(
          await readFile(join(host.state, "components/web/committed"), "utf8"),
          /^run r1\ntree sha256:[0-9a-f]{64}\nversion v2\n$/,
        );
        assert.match((await confirm(host, "v2")).evidence, /already committed/);
      }));

    test(`${name}: P8, F12: nobody confirms, so the host goes back by itself within two seconds of its deadline`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await switchTo(host, "v2", "1");
        const deadline = await deadlineMs(host);
        await until("the way back", 4000, async () => (await host.trial()) === "reverted");
        // How long the way itself takes is up to the machine.
        const outcome = await stat(join(host.state, "components/web/trial/reverted/outcome"));
        const late = (await uptimeMs()) - deadline - (Date.now() - outcome.mtimeMs);
        assert.ok(late >= -100 && late < 3000, `it went back ${late} ms after the deadline`);
        assert.equal(await host.current(), "v1");
        assert.match(
          (await host.word("call", "trial_facts", "web")).stdout,
          /state reverted\ntrial-from v1\ntrial-to v2\ntrial-run r1\ntrial-reason deadline/,
        );
        assert.deepEqual((({ exitCode, reason }) => ({ exitCode, reason }))(await confirm(host, "v2")), {
          exitCode: 66,
          reason: "reverted",
        });
        assert.match(
          (await host.task("switch", "undo", { version: "v2" })).evidence,
          /current=v1 was=v2 reason=deadline/,
        );
      }));

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

    test(`${name}: a confirm over the connection that switched proves nothing and is refused`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await switchTo(host, "v2");
        const refused = await confirm(host, "v2", "a");
        assert.equal(refused.exitCode, 77);
        assert.equal(refused.reason, "same-session");
        assert.equal(await host.trial(), "armed");
      }));

    test(`${name}: undo goes back now, twice is once, and another run has nothing to undo`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await switchTo(host, "v2");
        assert.match((await host.task("switch", "undo", { version: "v2", run: "r9" })).evidence, /nothing-to-undo/);
        for (const _ of [1, 2]) {
          const undone = await host.task("switch", "undo", { version: "v2", options: { reason: "failed" } });
          assert.match(undone.evidence, /current=v1 was=v2 reason=failed/);
          assert.equal(await host.current(), "v1");
        }
        await switchTo(host, "v2");
        await confirm(host, "v2");
        assert.match((await host.task("switch", "undo", { version: "v2" })).evidence, /reason=operator/);
        assert.equal(await host.current(), "v1");
      }));

    test(`${name}: R17: a switch that is tried again in its run saves anew what the old version wrote meanwhile`, () =>
      withPartsHost(shell, async (host) => {
        const data = join(host.base, "orders");
        await twoVersions(host);
        await host.install("v2", { contract: { "backup.0": data } });
        const takes = async (kind: "backup" | "switch", action: "do" | "undo") => {
          const ended = await host.task(kind, action, { version: "v2", ...(kind === "switch" && action === "do" ? { options: { deadline: "60" } } : {}) }); // biome-ignore format: one line
          assert.equal(ended.exitCode, 0, ended.evidence);
          return ended.evidence;
        };
        await writeFile(data, "1\n");
        await takes("backup", "do");
        assert.match(await takes("backup", "do"), /paths=1/);
        await takes("switch", "do");
        await takes("switch", "undo");
        await writeFile(data, "1\n2\n");
        assert.match(await takes("backup", "do"), /paths=1/);
        await takes("switch", "do");
        assert.match(await takes("backup", "do"), /already/);
        await writeFile(data, "spoilt\n");
        await takes("switch", "undo");
        assert.equal(await readFile(data, "utf8"), "1\n2\n");
      }));

    test(`${name}: a first install that goes back leaves no current`, () =>
      withPartsHost(shell, async (host) => {
        await host.install("v1");
        assert.match((await switchTo(host, "v1")).evidence, /from=none to=v1/);
        await host.task("switch", "undo", { version: "v1" });
        assert.equal(await host.current(), undefined);
        assert.equal(await host.trial(), "reverted");
        assert.equal((await switchTo(host, "v1")).exitCode, 0, "and can be tried again");
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

    test(`${name}: probation that ends with revert goes back when nobody commits, and a commit ends it`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host, { "probation.seconds": "1", "probation.at-end": "revert" });
        await switchTo(host, "v2");
        assert.equal((await confirm(host, "v2")).exitCode, 0);
        await until("the end of probation", 4000, async () => (await host.trial()) === "reverted");
        assert.match(await host.trialFile("outcome"), /reason probation/);
        assert.equal(await host.current(), "v1");
        assert.deepEqual(
          (({ exitCode, reason }) => ({ exitCode, reason }))(await host.task("commit", "do", { version: "v2" })),
          { exitCode: 66, reason: "not-current" },
        );
      }));

    test(`${name}: P8: probation that is over before its confirm is done ends with revert all the same`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host, { "probation.seconds": "1", "probation.at-end": "revert" });
        await switchTo(host, "v2");
        const whole = await readFile(host.script, "utf8");
        await writeFile(host.script, insertedAt(whole, ["confirm_armed", "\ttrial_move"], "sleep 3"));
        assert.equal((await confirm(host, "v2")).exitCode, 0);
        await until("the end of probation", 10_000, async () => (await host.trial()) === "reverted");
        assert.deepEqual([await host.trialFile("outcome"), await host.current()], ["reason probation\n", "v1"]);
      }));

    test(`${name}: P8: an undo lets a way back finish that began while the undo waited for a switch that was killed`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await switchTo(host, "v2");
        await endWatcher(host);
        const whole = await readFile(host.script, "utf8");
        const [locked, waits, ends] = ["locked", "waits", "ends"].map((file) => join(host.base, file)) as [string, string, string]; // biome-ignore format: one line
        const endsAs = (who: string, script: string) =>
          insertedAt(script, ["trial_way_back", '\ttrial_move "$1" reverting'], `echo ${who} >>${ends}`);
        // It has the lock and does not say so before the undo has looked; then it takes its time.
        const held = insertedAt(whole, ["trial_revert", '\t[ -d "$revert_dir_" ]'], `: >${locked}; until [ -e ${waits} ]; do nap; done`); // biome-ignore format: one line
        const slow = insertedAt(held, ["trial_way_back", "\tback_since_="], "sleep 4");
        await writeFile(host.script, endsAs("the host", slow));
        const first = host.word("call", "eval", 'trial_revert web deadline armed; echo "$?"');
        await until("the lock", 10_000, async () => existsSync(locked));
        const looks = insertedAt(whole, ["worker_end", "\t\tnap"], `: >${waits}`);
        await writeFile(host.script, endsAs("the undo", looks));
        const second = await host.task("switch", "undo", { version: "v2" });
        assert.deepEqual([(await first).stdout, second.exitCode], ["0\n", 0], `${second.reason} ${second.evidence}`);
        assert.equal(await readFile(ends, "utf8"), "the host\n");
        assert.match(second.evidence, /current=v1 was=v2 reason=deadline/);
      }));

    test(`${name}: F14: probation outlives a reboot: the guard starts it again, and it ends as signed`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host, { "probation.seconds": "60", "probation.at-end": "revert" });
        await switchTo(host, "v2");
        assert.equal((await confirm(host, "v2")).exitCode, 0);
        const trial = join(host.state, "components/web/trial");
        const [, sleeper] = (await readFile(join(trial, "watch-probation"), "utf8")).split(" ");
        process.kill(Number(sleeper), "SIGKILL");
        const record = await readFile(join(trial, "confirmed/trial"), "utf8");
        await writeFile(join(trial, "confirmed/trial"), record.replace(/^boot-id .*/m, "boot-id another-boot"));
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.deepEqual([await host.trial(), await host.current()], ["confirmed", "v2"]);
        await deadlineComes(host, { of: "probation" });
        await until("the end of probation", 6000, async () => (await host.trial()) === "reverted");
        assert.equal(await host.current(), "v1");
      }));

    test(`${name}: a deadline longer than signed, a version not built, a version below the floor and another run's trial are refused, nothing changes`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        assert.equal((await switchTo(host, "v2", "601")).reason, "deadline-too-long");
        assert.equal((await switchTo(host, "v3")).reason, "version-not-built");
        await writeFile(join(host.state, "components/web/floor"), "2\n");
        assert.equal((await switchTo(host, "v2")).reason, "below-floor");
        await writeFile(join(host.state, "components/web/floor"), "1\n");
        await switchTo(host, "v2");
        assert.equal(
          (await host.task("switch", "do", { version: "v1", run: "r2", session: "a" })).reason,
          "trial-open",
        );
        assert.equal(await host.current(), "v2");
      }));

    test(`${name}: F7: no switch and no trial when current cannot be written`, { skip: noImmutable }, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        const root = join(host.base, "web");
        execFileSync("chattr", ["+i", root]);
        try {
          const refused = await switchTo(host, "v2");
          assert.deepEqual([refused.exitCode, refused.reason], [74, "cannot-switch"], refused.evidence);
        } finally {
          execFileSync("chattr", ["-i", root]);
        }
        assert.equal(await host.current(), "v1");
        assert.equal(await host.trial(), "none");
        assert.equal((await switchTo(host, "v2")).exitCode, 0);
      }),
    );

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

    test(`${name}: F6, P8: a way back that could not be gone, of a confirmed trial too, is gone by the host itself once it can`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await switchTo(host, "v2");
        assert.equal((await confirm(host, "v2")).exitCode, 0);
        const marker = join(host.base, "web/versions/v1/.cutover-verified");
        const digest = await readFile(marker, "utf8");
        await rm(marker);
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

    test(`${name}: T36: a broken host.sh is reverted by the copy of the one that armed its trial`, () =>
      withPartsHost(shell, async (host) => {
        const component = "cutover-host";
        const good = await readFile(host.script, "utf8");
        await host.install("1", { component, tree: { "host.sh": good } });
        await host.install("2", { component, tree: { "host.sh": "exit 1\n" } });
        await host.task("switch", "do", { component, version: "1", session: "a", run: "r0" });
        await host.task("confirm", "do", { component, version: "1", session: "b", run: "r0" });
        await host.task("commit", "do", { component, version: "1", run: "r0" });
        assert.equal((await host.task("switch", "do", { component, version: "2", session: "a" })).exitCode, 0);
        assert.equal(await host.current(component), "2");
        await deadlineComes(host, { component });
        await until("the way back", 4000, async () => (await host.trial(component)) === "reverted");
        assert.equal(await host.current(component), "1");
      }));
  });
}

for (const [index, shell] of shells.entries()) {
  test(`${shell.join(" ")}: F13: confirm against the deadline, ±50 ms, 21 rounds over all shells: one outcome, and both agree`, () =>
    withPartsHost(shell, async (host) => {
      const offsets = [-110, -95, -80, -65, -50, -35, 20].map((offset) => offset + index * 5);
      const outcomes = await Promise.all(
        offsets.map(async (offset, at) => {
          const component = `web-${at}`;
          const call = { component, version: "v1" };
          await host.install("v1", { component });
          assert.equal((await host.task("switch", "do", call)).exitCode, 0);
          await deadlineComes(host, { component, inMs: 2000 });
          await delay(Math.max(0, (await deadlineMs(host, component)) - (await uptimeMs()) + offset));
          const reply = await host.task("confirm", "do", { ...call, session: "session-2" });
          await until("a decision", 4000, async () => ["confirmed", "reverted"].includes(await host.trial(component)));
          const state = await host.trial(component);
          assert.equal(
            state,
            reply.exitCode === 0 ? "confirmed" : "reverted",
            `${offset} ms: ${reply.reason} ${reply.evidence}`,
          );
          assert.equal(await host.current(component), state === "confirmed" ? "v1" : undefined);
          return state;
        }),
      );
      assert.equal(outcomes.length, offsets.length);
    }));
}
