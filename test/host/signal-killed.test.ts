// Strategy signal with the real nginx: host.sh is killed at every point of the hand-over, of the way back and of the commit, under load.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { ask, failures, underLoad } from "../support/asking-clients.ts";
import { isFull } from "../support/full-form.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { insertedAt, type KillPoint, killedAt } from "../support/killed-at.ts";
import { alive } from "../support/live-processes.ts";
import {
  assertOneMaster,
  crashAndStartAnew,
  installNginx,
  nginxSkip,
  serviceProcesses,
} from "../support/master-services.ts";
import { commit, switchTo, undo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { endWatcher } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

const forwardPoints: Readonly<Record<string, KillPoint>> = {
  "nothing is remembered": ["signal_forward", "\t\tsignal_alone"],
  "the old master is remembered": ["signal_forward", "\tsignal_successor"],
  "before it is asked": ["signal_forward", "\t\tkill -s"],
  "after it was asked": ["signal_forward", "\tif ! signal_wait"],
  "the new one accepts": ["signal_forward", "\tsame_process"],
  "after the old workers were asked": ["signal_forward", "\twait_quiet"],
  "before the evidence is written": ["switch_go", "\t(write_file"],
};
const backPoints: Readonly<Record<string, KillPoint>> = {
  "before current is pointed back": ["trial_way_back", '\t\t[ "$(current_version'],
  "before anything": ["signal_take_back", "\ttake_back_booting_="],
  "before HUP": ["signal_take_back", "\t\t\tkill -s HUP"],
  "after HUP": ["signal_take_back", "\t\t\tsignal_revived"],
  "the old workers accept": ["signal_drop_successor", "\tfor drop_pid_"],
  "the new master is asked": ["end_process", "\tuptime_cs"],
  "the new master has ended": ["signal_drop_successor", "\tsignal_end_orphans"],
  "before the trial is reverted": ["trial_way_back", '\ttrial_move "$1" reverting'],
};
const finishPoints: Readonly<Record<string, KillPoint>> = {
  "before the old one is asked": ["signal_finish", "\tsignal_end_others"],
  "the old one was asked": ["end_process", "\tuptime_cs"],
  "the old one has ended": ["signal_finish", "\tsignal_settle"],
  "before the commit is written": ["task_commit_do", "\tcommit_write"],
};

const afterKill = ["continued", "taken back"] as const;

for (const shell of shells) {
  const name = shell.join(" ");
  const test = inTurn(name);
  describe(name, { concurrency: 2, skip: nginxSkip }, () => {
    test(`${name}: P6: a switch that is killed at any point of the hand-over is continued, or taken back, without a failed request`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1");
        await installNginx(host, "v2");
        await commit(host, "v1");
        const whole = await readFile(host.script, "utf8");
        const answers = await underLoad(host.port, async () => {
          for (const [round, [point, where]] of Object.entries(forwardPoints).entries()) {
            // Every point at every push, with one of the two after it.
            for (const then of afterKill.filter((_, index) => isFull || index === round % 2)) {
              const call = { version: "v2", run: `${then === "continued" ? "on" : "back"}-${round}` };
              await writeFile(host.script, killedAt(whole, where));
              assert.equal((await host.task("switch", "do", call)).exitCode, 137, `${point}: it was to be killed`);
              await writeFile(host.script, whole);
              if (then === "continued") {
                const again = await host.task("switch", "do", call);
                assert.equal(again.exitCode, 0, `${point}: ${again.reason} ${again.evidence}`);
                assert.match(again.evidence, /from=v1 to=v2/);
                const [, old, fresh] = /old-pid=(\d+) new-pid=(\d+)/.exec(again.evidence) ?? [];
                assert.notEqual(old, fresh, point);
                assert.equal(await ask(host.port), "v2");
              }
              await undo(host, "v2", call.run);
              await assertOneMaster(host, "v1", 2);
            }
          }
        });
        assert.deepEqual(failures(answers), []);
      }));

    test(`${name}: P6: a way back or a commit that is killed at any point is finished by the next one, without a failed request`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1");
        await installNginx(host, "v2");
        await commit(host, "v1");
        const whole = await readFile(host.script, "utf8");
        const answers = await underLoad(host.port, async () => {
          for (const [round, [point, where]] of Object.entries(backPoints).entries()) {
            const call = { version: "v2", run: `back-${round}` };
            assert.equal((await host.task("switch", "do", call)).exitCode, 0, point);
            await endWatcher(host);
            await writeFile(host.script, killedAt(whole, where));
            const killed = await host.task("switch", "undo", call);
            assert.equal(killed.exitCode, 137, `${point}: it was to be killed, not ${killed.reason} ${killed.evidence}`); // biome-ignore format: one line
            await writeFile(host.script, whole);
            if (round % 2 === 0) assert.equal((await host.word("guard")).exitCode, 0);
            await undo(host, "v2", call.run);
            await assertOneMaster(host, "v1", 2);
          }
          let [from, to] = ["v1", "v2"];
          for (const [point, where] of Object.entries(finishPoints)) {
            assert.equal((await switchTo(host, to)).exitCode, 0, point);
            assert.equal((await host.task("confirm", "do", { version: to, run: to, session: "b" })).exitCode, 0);
            await writeFile(host.script, killedAt(whole, where));
            assert.equal((await host.task("commit", "do", { version: to, run: to })).exitCode, 137, point);
            await writeFile(host.script, whole);
            assert.equal((await host.task("commit", "do", { version: to, run: to })).exitCode, 0, point);
            await assertOneMaster(host, to, 2);
            [from, to] = [to, from];
          }
        });
        assert.deepEqual(failures(answers), []);
      }));

    test(`${name}: P11, R17: workers that never had to end make way for others once saved data was put back under them`, () =>
      withPartsHost(shell, async (host) => {
        const settings = join(host.base, "settings");
        for (const version of ["v1", "v2"]) await installNginx(host, version, { contract: { "backup.0": settings } });
        await writeFile(settings, "before");
        await commit(host, "v1");
        const first = await host.pid();
        const before = (await serviceProcesses(host)).map(({ pid }) => pid);
        const whole = await readFile(host.script, "utf8");
        const answers = await underLoad(host.port, async () => {
          const call = { version: "v2", run: "v2" };
          assert.equal((await host.task("backup", "do", call)).exitCode, 0);
          await writeFile(settings, "spoilt");
          await writeFile(host.script, killedAt(whole, ["signal_forward", "\tsame_process"]));
          assert.equal((await host.task("switch", "do", call)).exitCode, 137);
          await writeFile(host.script, whole);
          await undo(host, "v2");
        });
        assert.deepEqual(failures(answers), []);
        assert.equal(await readFile(settings, "utf8"), "before");
        await until("only the old master is left of what served before", 5000, async () => {
          const stayed = (await serviceProcesses(host)).filter(({ pid }) => before.includes(pid));
          return stayed.length === 1 && stayed[0]?.pid === first;
        });
        await assertOneMaster(host, "v1", 2);
      }));

    test(`${name}: P11: masters whose pid file is on its way to another name are looked for again, not started anew`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1");
        await installNginx(host, "v2");
        await commit(host, "v1");
        const whole = await readFile(host.script, "utf8");
        const file = join(host.state, "components/web/pid");
        const gone = insertedAt(whole, ["signal_forward", "\t\tmanager_find_main"], `mv "${file}" "${file}.away"`);
        const back = insertedAt(gone, ["signal_main_pid", "\t\tnap"], `mv "${file}.away" "${file}"`);
        const first = await host.pid();
        const answers = await underLoad(host.port, async () => {
          await writeFile(host.script, back);
          const switched = await switchTo(host, "v2");
          assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
          assert.match(switched.evidence, new RegExp(`old-pid=${first} `));
          assert.ok(await alive(first ?? 0), "it waits until the commit");
          await writeFile(host.script, whole);
          await undo(host, "v2");
          await assertOneMaster(host, "v1", 2);
        });
        assert.deepEqual(failures(answers), []);
        assert.equal(await host.pid(), first);
      }));

    test(`${name}: P8: a service that crashed before it was asked runs the new version by then, and goes back too`, () =>
      withPartsHost(shell, async (host) => {
        await installNginx(host, "v1");
        await installNginx(host, "v2");
        await commit(host, "v1");
        const whole = await readFile(host.script, "utf8");
        await writeFile(host.script, killedAt(whole, ["signal_forward", "\t\tsignal_alone"]));
        assert.equal((await host.task("switch", "do", { version: "v2", run: "v2" })).exitCode, 137);
        await writeFile(host.script, whole);
        await crashAndStartAnew(host, "v2");
        await undo(host, "v2");
        await assertOneMaster(host, "v1");
      }));
  });
}
