// Strategy signal with the real nginx and the real gunicorn: what a client sees, and which processes are left.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { ask, failures, underLoad } from "../support/asking-clients.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { insertedAt, killedAt } from "../support/killed-at.ts";
import { alive, serviceProcesses as livePids } from "../support/live-processes.ts";
import {
  assertOneMaster,
  installGunicorn,
  installNginx,
  nginxSkip,
  pidFiles,
  serviceProcesses,
} from "../support/master-services.ts";
import { commit, switchTo, undo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3, skip: nginxSkip }, () => {
    test(`${name}: P11: nginx hands over, waits as the old master till the commit, and comes back, without a failed request`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1");
        await installNginx(host, "v2");
        await commit(host, "v1");
        await assertOneMaster(host, "v1");
        const first = await host.pid();
        const answers = await underLoad(host.port, async () => {
          const switched = await switchTo(host, "v2");
          const second = await host.pid();
          assert.match(switched.evidence, new RegExp(`old-pid=${first} new-pid=${second} from=v1 to=v2`));
          assert.notEqual(second, first);
          assert.equal(await ask(host.port), "v2");
          assert.deepEqual(await pidFiles(host), ["pid", "pid.oldbin"]);
          const old = (await serviceProcesses(host)).filter((each) => each.version === "v1");
          assert.deepEqual(
            old.map(({ pid }) => pid),
            [first],
            "the old master waits without workers",
          );
          const undone = await undo(host, "v2");
          assert.match(undone, new RegExp(`old-pid=${second} new-pid=${first} from=v2 to=v1`));
          await assertOneMaster(host, "v1");
          assert.equal(await host.pid(), first, "the old master itself serves again");
          await host.task("switch", "do", { version: "v2", run: "again" });
          assert.equal((await host.task("confirm", "do", { version: "v2", run: "again", session: "b" })).exitCode, 0);
          assert.ok(await alive(first ?? 0), "it waits until the commit");
          assert.equal((await host.task("commit", "do", { version: "v2", run: "again" })).exitCode, 0);
          assert.equal(await alive(first ?? 0), false);
          await assertOneMaster(host, "v2");
        });
        assert.deepEqual(failures(answers), []);
        assert.ok((answers.v1 ?? 0) > 0 && (answers.v2 ?? 0) > 0, JSON.stringify(answers));
      }));

    test(`${name}: P8, P11: back from the first release with signal to one with restart, the old master itself serves again`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1", { contract: { "switch.strategy": "restart" } });
        await installNginx(host, "v2");
        await commit(host, "v1");
        const first = await host.pid();
        const answers = await underLoad(host.port, async () => {
          assert.equal((await switchTo(host, "v2")).exitCode, 0);
          assert.equal(await ask(host.port), "v2");
          assert.match(await undo(host, "v2"), new RegExp(`new-pid=${first} from=v2 to=v1`));
        });
        await assertOneMaster(host, "v1");
        assert.deepEqual(failures(answers), []);
      }));

    test(`${name}: P11: a new nginx that dies, hangs or has no workers fails the switch, and the old one serves on`, () =>
      withPartsHost(shell, async (host) => {
        const soon = { "switch.ready-seconds": "2" };
        await installNginx(host, "v1");
        await installNginx(host, "broken", { main: "nonsense" });
        await installNginx(host, "hangs", { program: "#!/bin/sh\nexec sleep 600\n", contract: soon });
        await installNginx(host, "idle", { main: "working_directory /nowhere;", contract: soon });
        await commit(host, "v1");
        const first = await host.pid();
        const answers = await underLoad(host.port, async () => {
          for (const [version, reason, evidence] of [
            ["broken", "new-version-died", /old pid \d+ still serves;.*unknown directive "nonsense"|nonsense/s],
            ["hangs", "not-ready", /old pid \d+ still serves; hangs not ready within 2 s/],
            ["idle", "not-ready", /old pid \d+ still serves;.*chdir\("\/nowhere"\) failed/s],
          ] as const) {
            const switched = await switchTo(host, version);
            assert.equal(switched.reason, reason, switched.evidence);
            assert.match(switched.evidence, evidence);
            await assertOneMaster(host, "v1");
            await undo(host, version);
            assert.equal(await host.current(), "v1");
            await assertOneMaster(host, "v1");
          }
        });
        assert.equal(await host.pid(), first, "it was never asked to stop");
        assert.deepEqual(Object.keys(answers), ["v1"]);
      }));

    test(`${name}: P8: without a controller the deadline takes nginx back, also when the runner was killed while it waited`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1");
        await installNginx(host, "v2");
        await installNginx(host, "hangs", { program: "#!/bin/sh\nexec sleep 600\n" });
        await commit(host, "v1");
        const answers = await underLoad(host.port, async () => {
          assert.equal((await switchTo(host, "v2")).exitCode, 0);
          await deadlineComes(host);
          await until("the way back", 12000, async () => (await host.trial()) === "reverted");
          await assertOneMaster(host, "v1");
          const { child, result } = host.start("switch", "do", { version: "hangs" });
          await until("the rename", 3000, async () => (await host.current()) === "hangs");
          child.kill("SIGKILL");
          await result;
          await deadlineComes(host);
          await until("the way back", 8000, async () => (await host.trial()) === "reverted");
          await assertOneMaster(host, "v1");
        });
        assert.deepEqual(failures(answers), []);
      }));

    test(`${name}: the way back is found when either master was killed during the trial`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1");
        await installNginx(host, "v2");
        await commit(host, "v1");
        const answers = await underLoad(host.port, async () => {
          assert.equal((await switchTo(host, "v2")).exitCode, 0);
          process.kill((await host.pid()) ?? 0, "SIGKILL");
          await until("nginx brings its workers back", 3000, async () => (await pidFiles(host)).join() === "pid");
          await undo(host, "v2");
          await assertOneMaster(host, "v1");
          assert.equal((await host.task("switch", "do", { version: "v2", run: "again" })).exitCode, 0);
          const old = Number(await readFile(`${host.state}/components/web/pid.oldbin`, "utf8"));
          process.kill(old, "SIGKILL");
          await undo(host, "v2", "again");
          await assertOneMaster(host, "v1");
          assert.notEqual(await host.pid(), old);
        });
        assert.deepEqual(failures(answers), []);
      }));

    test(`${name}: P8: an old master that does not bring its workers back is replaced: the old version is started anew`, () =>
      withPartsHost(shell, async (host) => {
        const contract = { "switch.ready-seconds": "6", "switch.stop-seconds": "1" };
        await installNginx(host, "v1", { contract });
        await installNginx(host, "v2");
        await commit(host, "v1");
        const old = (await host.pid()) ?? 0;
        assert.equal((await switchTo(host, "v2")).exitCode, 0);
        process.kill(old, "SIGSTOP");
        await undo(host, "v2");
        await assertOneMaster(host, "v1");
        assert.notEqual(await host.pid(), old);
        assert.equal(await alive(old), false);
      }));

    test(`${name}: P7: a start that made a daemon of itself and ended between two looks has not failed`, () =>
      withPartsHost(shell, async (host) => {
        const looks = `process_written_pid() { [ -e "$STATE/looked" ] || { : >"$STATE/looked"; return 1; }; echo 42; }
          process_record() { :; }
          strategy_is() { [ "$1" = signal ]; }
          strategy_name() { echo signal; }
          signal_main_pid() { echo 42; }
          T_COMPONENT=web; process_condition`;
        assert.equal((await host.word("call", "eval", looks)).stdout, "ready\n");
      }));

    test(`${name}: P7: a commit whose new master has died is refused, and nothing that serves is ended`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1");
        await installNginx(host, "v2");
        await commit(host, "v1");
        assert.equal((await switchTo(host, "v2")).exitCode, 0);
        assert.equal((await host.task("confirm", "do", { version: "v2", run: "v2", session: "b" })).exitCode, 0);
        process.kill((await host.pid()) ?? 0, "SIGQUIT");
        await until("the old one returns", 3000, async () => (await pidFiles(host)).join() === "pid");
        const refused = await host.task("commit", "do", { version: "v2", run: "v2" });
        assert.equal(refused.reason, "not-handed-over", refused.evidence);
        await assertOneMaster(host, "v1");
      }));

    test(`${name}: a master that runs in the foreground keeps its workers, so it fails the switch by name`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1", { daemon: "off" });
        await installNginx(host, "v2", { daemon: "off", contract: { "switch.stop-seconds": "2" } });
        await commit(host, "v1");
        const first = await host.pid();
        const answers = await underLoad(host.port, async () => {
          const switched = await switchTo(host, "v2");
          assert.equal(switched.reason, "old-serves-on", switched.evidence);
          assert.match(switched.evidence, new RegExp(`its master ${first} was asked to end it; .* daemons`));
          await undo(host, "v2");
          await assertOneMaster(host, "v1");
        });
        assert.deepEqual(failures(answers), []);
      }));

    test(`${name}: a running process that does not handle the signal is never sent it`, () =>
      withPartsHost(shell, async (host) => {
        const program = '#!/bin/sh\necho $$ >"$CUTOVER_PID_FILE"\nexec sleep 600\n';
        const contract = { manager: "process", "switch.start": "start", "switch.stop-seconds": "2" };
        await host.install("v1", { contract: { ...contract, "switch.strategy": "restart" }, tree: { start: program } });
        await commit(host, "v1");
        const first = await host.pid();
        for (const strategy of ["signal", "reload"]) {
          await host.install(strategy, {
            contract: { ...contract, "switch.strategy": strategy },
            tree: { start: program },
          });
          const refused = await switchTo(host, strategy);
          assert.equal(refused.reason, "cannot-hand-over", refused.evidence);
          assert.match(refused.evidence, new RegExp(`pid ${first} does not handle .* strategy ${strategy}`));
          assert.equal(await host.current(), "v1");
          assert.equal(await host.trial(), "none");
          assert.ok(await alive(first ?? 0));
        }
      }));

    test(`${name}: P8, P11: what hands over like exec and is no master is refused by signal; and where it was asked all the same, it serves on`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1");
        await host.installService("v2", {}, { "switch.strategy": "signal", "switch.ready-seconds": "3", "switch.stop-signal": "QUIT" }); // biome-ignore format: one line
        await commit(host, "v1");
        const first = await host.pid();
        const refused = await switchTo(host, "v2");
        assert.equal(refused.reason, "cannot-hand-over", refused.evidence);
        assert.match(
          refused.evidence,
          new RegExp(`pid ${first} has no worker that listens, .* once with strategy restart`),
        );
        assert.equal(await host.trial(), "none");
        // What a hand pointed current at has never got ready.
        const point = (version: string) =>
          host.word("call", "eval", `T_COMPONENT=web; load_contract web v1; point_current "$ROOT" ${version}`);
        await point("v2");
        assert.equal((await host.task("switch", "do", { version: "v2", run: "found" })).reason, "cannot-hand-over");
        await point("v1");
        const whole = await readFile(host.script, "utf8");
        await writeFile(host.script, insertedAt(whole, ["signal_is_master", "\tsignal_was_ready"], "return 0"));
        const asked = await host.task("switch", "do", { version: "v2", run: "asked" });
        assert.equal(asked.reason, "not-ready", asked.evidence);
        assert.match(
          asked.evidence,
          /old pid \d+ still serves; v2 not ready within 3 s; no worker of the new master \d+ accepts/,
        );
        await undo(host, "v2", "asked");
        assert.deepEqual([await host.pid(), await livePids(host)], [first, [first]]);
        assert.equal(await ask(host.port), "v1");
      }));

    test(`${name}: P8: a master whose workers somebody else has ended gets them back on the way back`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1");
        await installNginx(host, "v2");
        await commit(host, "v1");
        const first = (await host.pid()) ?? 0;
        const whole = await readFile(host.script, "utf8");
        await writeFile(host.script, killedAt(whole, ["signal_forward", '\trm -f "$ALONE_FILE"']));
        assert.equal((await switchTo(host, "v2")).exitCode, 137);
        await writeFile(host.script, whole);
        process.kill(first, "SIGWINCH");
        const ofFirst = async () => (await serviceProcesses(host)).filter(({ version }) => version === "v1");
        await until("the old workers to end", 10_000, async () => (await ofFirst()).length === 1);
        await undo(host, "v2");
        await assertOneMaster(host, "v1");
        assert.equal(await host.pid(), first);
        assert.equal(await ask(host.port), "v1");
      }));

    test(`${name}: P8: back from the first release with signal, the old gunicorn reads anew what current names: its own version`, () =>
      withPartsHost(shell, async (host) => {
        const app = `root = os.environ["CUTOVER_ROOT"] + "/"
with open(root + "read", "a") as read:
    read.write(os.readlink(root + "current") + "\\n")`;
        await installGunicorn(host, "v1", `import os\n${app}`, { "switch.strategy": "restart" });
        await installGunicorn(host, "v2");
        await commit(host, "v1");
        const first = await host.pid();
        assert.equal((await switchTo(host, "v2")).exitCode, 0);
        assert.match(await undo(host, "v2"), new RegExp(`new-pid=${first} from=v2 to=v1`));
        await assertOneMaster(host, "v1");
        const read = (await readFile(join(host.base, "web/read"), "utf8")).split("\n");
        assert.deepEqual([...new Set(read)], ["versions/v1", ""]);
      }));

    test(`${name}: P7: a new gunicorn that waits on its listener before it says who it is is no worker: it is waited for, and ends when it is late`, () =>
      withPartsHost(shell, async (host) => {
        const waiting = (ms: number): string => `import os, select
listeners = os.environ.get("GUNICORN_FD")
if listeners:
    waits = select.poll()
    waits.register(int(listeners.split(",")[0]), 0)
    waits.poll(${ms})`;
        await installGunicorn(host, "v1", "", {}, "--preload");
        await installGunicorn(host, "v2", waiting(4000), { "switch.ready-seconds": "60" });
        await installGunicorn(host, "v3", waiting(600_000), { "switch.ready-seconds": "4" });
        await commit(host, "v1");
        const switched = await switchTo(host, "v2");
        assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
        await undo(host, "v2");
        await assertOneMaster(host, "v1");
        const late = await switchTo(host, "v3");
        assert.equal(late.reason, "not-ready", late.evidence);
        await undo(host, "v3");
        await assertOneMaster(host, "v1");
      }));

    test(`${name}: P11: gunicorn hands over, comes back and is committed, without a failed request`, () =>
      withPartsHost(shell, async (host) => {
        await installGunicorn(host, "v1");
        await installGunicorn(host, "v2");
        await installGunicorn(host, "broken", "import nowhere_to_be_found");
        await commit(host, "v1");
        await assertOneMaster(host, "v1");
        const first = await host.pid();
        const answers = await underLoad(host.port, async () => {
          const switched = await switchTo(host, "v2");
          assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
          assert.deepEqual(await pidFiles(host), ["pid", "pid.2"]);
          const [, old, fresh] = /old-pid=(\d+) new-pid=(\d+) from=v1 to=v2/.exec(switched.evidence) ?? [];
          assert.equal(Number(old), first);
          assert.notEqual(old, fresh);
          assert.equal(await ask(host.port), "v2");
          await undo(host, "v2");
          await assertOneMaster(host, "v1");
          assert.equal(await host.pid(), first);
          const failed = await switchTo(host, "broken");
          // One that came and went between two looks of a busy host was never seen: then it did not get ready in time.
          assert.match(failed.reason, /^(new-version-died|not-ready)$/, failed.evidence);
          assert.match(failed.evidence, /still serves;/);
          assert.match(failed.evidence, /nowhere_to_be_found|Worker failed to boot/);
          await undo(host, "broken");
          await assertOneMaster(host, "v1");
          await host.task("switch", "do", { version: "v2", run: "again" });
          assert.equal((await host.task("confirm", "do", { version: "v2", run: "again", session: "b" })).exitCode, 0);
          const committed = await host.task("commit", "do", { version: "v2", run: "again" });
          assert.equal(committed.exitCode, 0, `${committed.reason} ${committed.evidence}`);
          await assertOneMaster(host, "v2");
        });
        assert.deepEqual(failures(answers), []);
      }));
  });
}
