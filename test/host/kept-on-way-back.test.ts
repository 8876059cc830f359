// A release to a strategy that replaces what runs without a break, from a version that had another one: the first such release of a service is
// the one that fails most often. What served before and was not asked to stop serves on through the way back, instead of being started anew.
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ask, failures, underLoad } from "../support/asking-clients.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { insertedAt, killedAt } from "../support/killed-at.ts";
import { serviceProcesses } from "../support/live-processes.ts";
import { commit, switchTo, undo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes, endWatcher } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

/** Handles the signal and does nothing with it: a Go program shows a handler for every signal. */
const deaf = `#!${process.execPath}
const server = require("node:http").createServer((_request, response) => response.end("v1"));
process.on("SIGUSR2", () => {});
process.on("SIGTERM", () => process.exit(0));
server.listen({ port: Number(process.env.PORT), host: process.env.CUTOVER_ADDRESS }, () =>
  require("node:fs").writeFileSync(process.env.CUTOVER_PID_FILE, process.pid + "\\n"));
`;

/** With reuseport one that came and went between two looks of a busy host was never seen: then it did not get ready in time. */
const died = (strategy: string): RegExp =>
  strategy === "reuseport" ? /^(new-version-died|not-ready)$/ : /^new-version-died$/;

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  for (const strategy of ["exec", "takeover", "reuseport"])
    test(`${name}: P8, P11: restart to ${strategy}: the old version serves on when the new one ends before it is ready, through the way back`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1", { reusePort: true }, { "switch.strategy": "restart" });
        await host.installService("v2", { crashBeforeReady: true }, { "switch.strategy": strategy });
        await host.installService("v3", { reusePort: true }, { "switch.strategy": strategy });
        await commit(host, "v1");
        const first = await host.pid();
        const answers = await underLoad(host.port, async () => {
          assert.match((await switchTo(host, "v2")).reason, died(strategy));
          assert.match(await undo(host, "v2"), new RegExp(`old-pid=${first} new-pid=${first} from=v2 to=v1`));
        });
        assert.deepEqual([Object.keys(answers), await serviceProcesses(host)], [["v1"], [first]]);
        // One that serves already is stopped, and the old one started, as its contract says.
        if (strategy === "takeover") return;
        assert.equal((await switchTo(host, "v3")).exitCode, 0);
        const third = await host.pid();
        assert.match(await undo(host, "v3"), new RegExp(`old-pid=${third} new-pid=(?!${third})\\d+ from=v3 to=v1`));
        assert.equal((await serviceProcesses(host)).length, 1);
      }));

  test(`${name}: P8, P11: restart to exec: one that shows a handler and is deaf serves on, and the deadline takes the host back`, () =>
    withPartsHost(shell, async (host) => {
      await host.installService("v1", {}, { "switch.strategy": "restart", "switch.start": "deaf" }, { deaf });
      await host.installService("v2", {}, { "switch.ready-seconds": "2" }, { deaf });
      await commit(host, "v1");
      const first = await host.pid();
      const answers = await underLoad(host.port, async () => {
        const switched = await switchTo(host, "v2");
        assert.equal(switched.reason, "not-ready", switched.evidence);
        assert.match(switched.evidence, new RegExp(`^old pid ${first} still serves; v2 not ready within 2 s`));
        await deadlineComes(host);
        await until("the deadline", 20_000, async () => (await host.trial()) === "reverted");
      });
      assert.deepEqual(failures(answers), []);
      assert.deepEqual([await host.current(), await serviceProcesses(host)], ["v1", [first]]);
    }));

  test(`${name}: P8: restart to exec: what was kept ends where its data is put back, and starts anew with it`, () =>
    withPartsHost(shell, async (host) => {
      await host.installService("v1", {}, { "switch.strategy": "restart" });
      const data = join(host.base, "data");
      await writeFile(data, "of v1");
      const contract = { "switch.strategy": "exec", "backup.0": data };
      await host.installService("v2", { crashBeforeReady: true }, contract);
      await commit(host, "v1");
      const first = await host.pid();
      assert.equal((await host.task("backup", "do", { version: "v2", run: "v2" })).exitCode, 0);
      assert.equal((await switchTo(host, "v2")).reason, "new-version-died");
      await writeFile(data, "of v2");
      assert.match(await undo(host, "v2"), new RegExp(`old-pid=${first} new-pid=(?!${first})\\d+ `));
      assert.equal(await readFile(data, "utf8"), "of v1");
    }));

  test(`${name}: P6, P8: exec: what was kept ends also where the way back was killed right after its data was put back`, () =>
    withPartsHost(shell, async (host) => {
      const data = join(host.base, "data");
      await writeFile(data, "of v1");
      const whole = await readFile(host.script, "utf8");
      await host.installService("v1");
      const contract = { "switch.strategy": "exec", "switch.stop-seconds": "1", "backup.0": data };
      await host.installService("v2", { crashBeforeReady: true }, contract);
      await commit(host, "v1");
      const first = await host.pid();
      assert.equal((await host.task("backup", "do", { version: "v2", run: "v2" })).exitCode, 0);
      assert.equal((await switchTo(host, "v2")).reason, "new-version-died");
      await endWatcher(host);
      await writeFile(data, "of v2");
      await writeFile(host.script, killedAt(whole, ["trial_restore", '\techo "restored=']));
      assert.equal((await host.task("switch", "undo", { version: "v2", run: "v2" })).exitCode, 137);
      await writeFile(host.script, whole);
      assert.match(await undo(host, "v2"), /current=v1 was=v2/);
      const now = await host.pid();
      assert.ok(now !== undefined && now !== first, `${first} has open what is gone: ${now}`);
      assert.deepEqual([await serviceProcesses(host), await readFile(data, "utf8")], [[now], "of v1"]);
    }));

  for (const strategy of ["exec", "takeover", "reuseport"])
    test(`${name}: P8: ${strategy}: who was never asked to stop hands over to one that opens the data that was put back`, () =>
      withPartsHost(shell, async (host) => {
        const data = join(host.base, "data");
        await writeFile(data, "of v1");
        const contract = { "switch.strategy": strategy, "switch.stop-seconds": "1", "backup.0": data };
        await host.installService("v1", { reusePort: true }, contract);
        await host.installService("v2", { crashBeforeReady: true }, contract);
        await commit(host, "v1");
        const first = await host.pid();
        assert.equal((await host.task("backup", "do", { version: "v2", run: "v2" })).exitCode, 0);
        assert.match((await switchTo(host, "v2")).reason, died(strategy));
        await writeFile(data, "of v2");
        const answers = await underLoad(host.port, async () => {
          assert.match(await undo(host, "v2"), new RegExp(`old-pid=${first} new-pid=(?!${first})\\d+ `));
        });
        // With reuseport it may cost what waited in the queue of the old listener; the service here does not really speak takeover.
        if (strategy === "exec") assert.deepEqual(Object.keys(answers), ["v1"]);
        assert.deepEqual([await serviceProcesses(host), await readFile(data, "utf8")], [[await host.pid()], "of v1"]);
      }));

  for (const strategy of ["restart", "exec", "takeover"])
    test(`${name}: P8: what a hand had started is not what was committed with ${strategy}, and is not kept for it`, () =>
      withPartsHost(shell, async (host) => {
        const contract = { "switch.strategy": strategy, "switch.stop-seconds": "1" };
        await host.installService("v1", {}, contract);
        await commit(host, "v1");
        const other = strategy === "restart" ? "exec" : strategy;
        await host.installService("v2", {}, { ...contract, "switch.strategy": other });
        await commit(host, "v2");
        await writeFile(join(host.state, "components/web/committed"), "version v1\n");
        await rm(join(host.state, "components/web/trial"), { recursive: true, force: true });
        await writeFile(join(host.base, "web/versions/v2/behaviour.json"), '{"version":"v2","crashBeforeReady":true}');
        assert.equal((await switchTo(host, "v2")).reason, "new-version-died");
        await undo(host, "v2");
        assert.deepEqual([await host.current(), await serviceProcesses(host)], ["v1", [await host.pid()]]);
        assert.equal(await ask(host.port), "v1");
      }));

  test(`${name}: P8, P11: exec: who would be asked to stop just when the way back is decided is not, and is kept`, () =>
    withPartsHost(shell, async (host) => {
      await host.installService("v1");
      await host.installService("v2");
      await commit(host, "v1");
      const first = await host.pid();
      const script = await readFile(host.script, "utf8");
      const decided = `mv -T "$TRIAL" "\${TRIAL%/*}/reverting"`;
      await writeFile(host.script, insertedAt(script, ["exec_note_stopping", "\t{ printf"], decided));
      const answers = await underLoad(host.port, async () => {
        assert.equal((await switchTo(host, "v2")).reason, "reverted");
        await writeFile(host.script, script);
        assert.match(await undo(host, "v2"), new RegExp(`new-pid=${first} from=v2 to=v1`));
      });
      assert.deepEqual([failures(answers), await serviceProcesses(host)], [[], [first]]);
    }));

  for (const strategy of ["exec", "takeover", "reuseport", "signal", "reload"])
    test(`${name}: P8, P11: restart to ${strategy}: a switch that was killed before it asked anybody costs nothing on the way back`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1", {}, { "switch.strategy": "restart" });
        await host.installService("v2", {}, { "switch.strategy": strategy });
        await commit(host, "v1");
        const first = await host.pid();
        const script = await readFile(host.script, "utf8");
        const asks = "{ strategy_call hand_over && ";
        assert.ok(script.includes(asks));
        const understands = /^((?:signal|reload)_prepare\(\) \{).*$/gm;
        await writeFile(
          host.script,
          script.replace(asks, () => "{ exit 9 && ").replace(understands, (_line, head) => `${head}\n\treturn 0`),
        );
        const answers = await underLoad(host.port, async () => {
          assert.equal((await switchTo(host, "v2")).exitCode, 9);
          await writeFile(host.script, script);
          assert.equal(await host.current(), "v2");
          assert.match(await undo(host, "v2"), new RegExp(`old-pid=${first} new-pid=${first} from=v2 to=v1`));
        });
        assert.deepEqual([failures(answers), await serviceProcesses(host)], [[], [first]]);
      }));

  test(`${name}: P8: restart to exec: a cold start of the new version is not kept`, () =>
    withPartsHost(shell, async (host) => {
      await host.installService("v1", {}, { "switch.strategy": "restart" });
      await host.installService(
        "v2",
        { crashBeforeReady: true, crashAfterMs: 60_000 },
        { "switch.ready-seconds": "2" },
      );
      await commit(host, "v1");
      process.kill((await host.pid()) ?? 0, "SIGKILL");
      assert.equal((await switchTo(host, "v2")).reason, "not-ready");
      await undo(host, "v2");
      assert.deepEqual([await ask(host.port), await serviceProcesses(host)], ["v1", [await host.pid()]]);
    }));
}
