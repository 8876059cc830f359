// The dead man's switch, on real processes and the real clock.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "node:test";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { confirm, deadlineMs, switchTo, twoVersions, uptimeMs } from "../support/trial-steps.ts";
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
for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: a switch that is confirmed and committed stays, its deadline is gone`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        const switched = await switchTo(host, "v2");
        assert.match(switched.evidence, /from=v1 to=v2 ms=\d+/);
        assert.equal(await host.current(), "v2");
        assert.equal(await host.trial(), "armed");
        const facts = async () => (await host.word("call", "trial_facts", "web")).stdout;
        const ends = Number(/^trial-ends (\d+)$/m.exec(await facts())?.[1]) * 1000;
        const left = (await deadlineMs(host)) - (await uptimeMs());
        assert.ok(Math.abs(ends - Date.now() - left) < 3000, "by the clock it ends when it ends");
        assert.equal(
          (await switchTo(host, "v2")).evidence,
          switched.evidence,
          "again: the same answer, no second switch (P6)",
        );
        assert.match((await confirm(host, "v2")).evidence, /confirmed=v2 from=v1/);
        assert.equal(await host.trial(), "confirmed");
        assert.doesNotMatch(await facts(), /trial-ends/);
        assert.match((await host.task("commit", "do", { version: "v2" })).evidence, /committed=v2 removed=0/);
        assert.equal(await host.trial(), "none");
        assert.match((await host.word("call", "trial_facts", "web")).stdout, /^state committed$/m);
        assert.match(
          await readFile(join(host.state, "components/web/committed"), "utf8"),
          /^run r1\ntree sha256:[0-9a-f]{64}\nversion v2\n$/,
        );
        assert.match((await confirm(host, "v2")).evidence, /already committed/);
      }));

    test(`${name}: P8, F12: nobody confirms, so the host begins to go back by itself within two seconds of its deadline`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await switchTo(host, "v2", "1");
        const deadline = await deadlineMs(host);
        await until("the way back", 4000, async () => (await host.trial()) === "reverted");
        // How long the way itself takes is up to the machine.
        const outcome = await stat(join(host.state, "components/web/trial/reverted/outcome"));
        const late = (await uptimeMs()) - deadline - (Date.now() - outcome.mtimeMs);
        assert.ok(late >= -100 && late < 2000, `it began to go back ${late} ms after the deadline`);
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
          const ended = await host.task(kind, action, { version: "v2" });
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
