// What a run saved is put back once, however often its way back is asked for and wherever it is killed: what the old version writes
// after that is nobody's to take away. Tried again, the run saves anew, and that is put back (R17, P6).
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { type KillPoint, killedAt } from "../support/killed-at.ts";
import { inTurn } from "../support/shells.ts";
import { endWatcher } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

/** Before these lines nothing says yet that all of it is back. */
const halfWay: Readonly<Record<string, KillPoint>> = {
  "before anything": ["backup_put_back", "\twhile [ -f"],
  "with a copy beside the first path": ["backup_restore", "\tmv -T"],
  "with the old one aside": ["backup_restore", '\tif [ -d "$2" ]'],
  "between two paths": ["backup_put_back", "\t\tBACKUP_PATHS="],
  "before the task's own": ["backup_put_back", "\tbackup_back_task_"],
  "before it is marked": ["backup_mark", "\t(write_file"],
};
const afterwards: KillPoint = ["task_backup_undo", '\t\techo "restored=$BACKUP_PATHS"'];
/** The line after which all is back, and said to be, but the trial is not taken back yet. */
const wayBackMarked: KillPoint = ["trial_restore", '\techo "restored='];

async function twoPaths(host: PartsHost) {
  const [orders, index, rows] = ["orders", "index", "rows"].map((name) => join(host.base, name)) as [string, string, string]; // biome-ignore format: one line
  const tasks = {
    dump: `#!/bin/sh\ncp ${rows} "$CUTOVER_BACKUP/rows"\n`,
    load: `#!/bin/sh\ncp "$CUTOVER_BACKUP/rows" ${rows}\n`,
  };
  const contract = { "backup.0": orders, "backup.1": index, "backup.task": "save", "task.save.do": "dump", "task.save.undo": "load" }; // biome-ignore format: one line
  const say = async (text: string) => {
    for (const path of [orders, rows]) await writeFile(path, text);
    await (text === "before" ? rm(index, { force: true }) : writeFile(index, text));
  };
  const said = async () => {
    const [one, other] = [await readFile(orders, "utf8"), await readFile(rows, "utf8")];
    assert.equal(one, other, "of one moment");
    return existsSync(index) ? `${one}, ${await readFile(index, "utf8")}` : one;
  };
  for (const version of ["v1", "v2"]) await host.install(version, { contract, bundle: tasks });
  const must = async (
    kind: string,
    action: "do" | "undo",
    more: { version?: string; run?: string; options?: Record<string, string> } = {},
  ) => {
    // biome-ignore format: one line
    const ended = await host.task(kind, action, { version: "v2", ...more });
    assert.equal(ended.exitCode, 0, `${kind} ${action}: ${ended.reason} ${ended.evidence}`);
    return ended.evidence;
  };
  await must("switch", "do", { version: "v1", run: "r0" });
  assert.equal((await host.task("confirm", "do", { version: "v1", run: "r0", session: "b" })).exitCode, 0);
  await must("commit", "do", { version: "v1", run: "r0" });
  await say("before");
  return { say, said, must, whole: await readFile(host.script, "utf8") };
}

/** Restore point p1 was taken, and put back by the way back of the switch; since then more was written. */
async function pointIsBack(host: PartsHost) {
  const parts = await twoPaths(host);
  const { say, must } = parts;
  const point = { options: { point: "r1.p1" } };
  await must("backup", "do", point);
  await must("switch", "do");
  await say("converted");
  await must("switch", "undo");
  await say("written since");
  return { ...parts, point };
}

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2 }, () => {
    test(`${name}: R17: a backup is put back once: another way back leaves alone what was written since`, () =>
      withPartsHost(shell, async (host) => {
        const { say, said, must } = await twoPaths(host);
        await must("backup", "do");
        await say("converted");
        assert.match(await must("backup", "undo"), /restored=2/);
        assert.equal(await said(), "before");
        await say("written since");
        assert.match(await must("backup", "undo"), /restored already/);
        assert.match(
          await must("backup", "undo", { run: "by-hand", options: { "trial-run": "r1" } }),
          /restored already/,
        );
        assert.equal(await said(), "written since, written since");
        assert.match(await must("backup", "do"), /paths=2/, "the run is tried again, and saves what was written since");
        assert.match(await must("backup", "do"), /paths=2/, "and does no harm when it is asked again");
        await say("converted");
        assert.match(await must("backup", "undo"), /restored=2/);
        assert.equal(await said(), "written since, written since");
      }));

    test(`${name}: R17: what the way back of a trial put back is not put back by an undo; tried again it is saved, and put back, anew`, () =>
      withPartsHost(shell, async (host) => {
        const { say, said, must } = await twoPaths(host);
        await must("backup", "do");
        await must("switch", "do");
        await say("converted");
        const early = await host.task("backup", "undo", { version: "v2" });
        assert.deepEqual([early.exitCode, early.reason], [75, "trial-open"]);
        assert.equal(await said(), "converted, converted");
        await must("switch", "undo");
        assert.equal(await said(), "before");
        await say("written since");
        assert.match(await must("backup", "undo"), /restored by the way back/);
        assert.equal(await said(), "written since, written since");

        assert.match(await must("backup", "do"), /paths=2/);
        await say("converted");
        assert.match(await must("backup", "undo"), /restored=2/, "this one nothing has put back");
        assert.equal(await said(), "written since, written since");
        await say("more");
        await must("backup", "do");
        await must("switch", "do");
        assert.match(await must("backup", "do"), /already/, "what a trial may go back to is kept");
        await say("converted");
        await must("switch", "undo");
        assert.equal(await said(), "more, more");
        await say("last");
        await must("switch", "undo");
        assert.match(await must("backup", "undo"), /restored by the way back/);
        assert.equal(await said(), "last, last");
      }));

    test(`${name}: R17: old data is not put back under a version that the run has committed`, () =>
      withPartsHost(shell, async (host) => {
        const { say, said, must } = await twoPaths(host);
        await must("backup", "do");
        await must("switch", "do");
        assert.equal((await host.task("confirm", "do", { version: "v2", session: "b" })).exitCode, 0);
        await must("commit", "do");
        await say("written by v2");
        const undone = await host.task("backup", "undo", { version: "v2" });
        assert.deepEqual([undone.exitCode, undone.reason], [66, "committed"]);
        assert.equal(await said(), "written by v2, written by v2");
      }));

    test(`${name}: R17, P4: what was put back is no way back for another trial: nothing is switched before it is saved anew`, () =>
      withPartsHost(shell, async (host) => {
        const { say, said, must } = await twoPaths(host);
        const spent = async () => {
          const { exitCode, reason, evidence } = await host.task("switch", "do", { version: "v2" });
          assert.deepEqual([exitCode, reason, await host.trial()], [66, "backup-spent", trial]);
          assert.match(evidence, /: cutover task retry r1\/h1\/web\/switch --reason WHY, or cutover rollback$/);
        };
        let trial = "none";
        await must("backup", "do");
        await must("backup", "undo");
        await spent();
        await must("backup", "do");
        await must("switch", "do");
        await say("converted");
        await must("switch", "undo");
        assert.equal(await said(), "before");
        trial = "reverted";
        await say("written since");
        await spent();
        await must("backup", "do");
        await must("switch", "do");
        await must("switch", "undo");
        assert.equal(await said(), "written since, written since");
      }));

    test(`${name}: R17, P6: an undo that was killed before all was back begins again, and saves nothing over the copy; one killed after that is not repeated`, () =>
      withPartsHost(shell, async (host) => {
        const { say, said, must, whole } = await twoPaths(host);
        for (const [round, [point, where]] of Object.entries(halfWay).entries()) {
          const more = { run: `half-${round}` };
          await say("before");
          await must("backup", "do", more);
          await say("converted");
          await writeFile(host.script, killedAt(whole, where));
          assert.equal((await host.task("backup", "undo", { version: "v2", ...more })).exitCode, 137, `${point}: it was to be killed`); // biome-ignore format: one line
          await writeFile(host.script, whole);
          assert.match(await must("backup", "do", more), /already/, point);
          assert.match(await must("backup", "undo", more), /restored=2/, point);
          assert.equal(await said(), "before", point);
        }
        await must("backup", "do");
        await say("converted");
        await writeFile(host.script, killedAt(whole, afterwards));
        assert.equal((await host.task("backup", "undo", { version: "v2" })).exitCode, 137);
        await writeFile(host.script, whole);
        assert.equal(await said(), "before");
        await say("written since");
        assert.match(await must("backup", "undo"), /restored already/);
        assert.match(await must("backup", "do"), /paths=2/);
        await say("converted");
        await must("backup", "undo");
        assert.equal(await said(), "written since, written since");
      }));

    test(`${name}: R17, P6: a way back that was killed once all was back does not put it back again when it goes on`, () =>
      withPartsHost(shell, async (host) => {
        const { say, said, must, whole } = await twoPaths(host);
        await must("backup", "do");
        await must("switch", "do");
        await endWatcher(host);
        await say("converted");
        await writeFile(host.script, killedAt(whole, wayBackMarked));
        assert.equal((await host.task("switch", "undo", { version: "v2" })).exitCode, 137);
        await writeFile(host.script, whole);
        assert.equal(await said(), "before");
        await say("written since");
        await must("switch", "undo");
        assert.equal(await said(), "written since, written since");
        assert.match(await must("backup", "undo"), /restored by the way back/);
      }));

    test(`${name}: R17: a restore point that was put back before its run saved anew counts as put back`, () =>
      withPartsHost(shell, async (host) => {
        const { said, must, point } = await pointIsBack(host);
        for (const _ of ["saved anew", "and once more"]) {
          assert.match(await must("backup", "do"), /paths=2/);
          assert.match(await must("backup", "undo", point), /restored by the way back/);
          assert.match(await must("backup", "undo"), /restored=2/);
        }
        const other = await host.task("backup", "undo", { version: "v2", options: { point: "r1.p2" } });
        assert.deepEqual([other.exitCode, other.reason], [65, "point-differs"]);
        assert.equal(await said(), "written since, written since");
      }));

    test(`${name}: R17, P6: a backup that was killed in the middle of replacing an earlier one does not forget what that was`, () =>
      withPartsHost(shell, async (host) => {
        const { say, said, must, whole, point } = await pointIsBack(host);
        await must("backup", "do");
        const kill = async () => {
          await writeFile(host.script, killedAt(whole, ["backup_keep", '\tmv -T "$backup_new_"']));
          assert.equal((await host.task("backup", "do", { version: "v2" })).exitCode, 137);
          await writeFile(host.script, whole);
        };
        await kill();
        assert.match(await must("backup", "undo", point), /restored by the way back/, "with none in its place yet");
        await say("converted");
        assert.match(await must("backup", "undo"), /restored=2/, "what was saved before is still there");
        assert.equal(await said(), "written since, written since");
        await kill();
        await say("more");
        assert.match(await must("backup", "do"), /paths=2/);
        await kill();
        assert.equal((await host.task("switch", "do", { version: "v2" })).exitCode, 0, "with a copy to go back to");
        await say("converted");
        await must("switch", "undo");
        assert.equal(await said(), "more, more");
      }));

    test(`${name}: R17: what a host.sh that marked only its trial has put back is not put back again, and is saved anew`, () =>
      withPartsHost(shell, async (host) => {
        const { say, said, must } = await twoPaths(host);
        // An earlier host.sh kept no mark in the backup; a deadline is always gone back by the copy that armed the trial.
        const mark = join(host.state, "components/web/backups/r1/restored");
        await must("backup", "do");
        await must("switch", "do");
        await say("converted");
        await must("switch", "undo");
        await rm(mark);
        await say("written since");
        assert.match(await must("backup", "undo"), /restored by the way back/);
        assert.equal(await said(), "written since, written since");
        await rm(mark);
        assert.match(await must("backup", "do"), /paths=2/);
        assert.match(await must("backup", "do"), /paths=2/, "that trial says nothing of what was saved after it");
        await say("converted");
        assert.match(await must("backup", "undo"), /restored=2/);
        assert.equal(await said(), "written since, written since");
        await must("backup", "do");
        await must("switch", "do");
        await say("converted");
        await must("switch", "undo");
        await rm(mark);
        await say("more");
        assert.match(await must("backup", "undo"), /restored by the way back/, "of a later trial of the run");
        assert.equal(await said(), "more, more");
      }));

    test(`${name}: an undo of a backup waits for who works on the component`, () =>
      withPartsHost(shell, async (host) => {
        const { said, say, must, whole } = await twoPaths(host);
        await must("backup", "do");
        await say("converted");
        const [held, waits, enough] = ["held", "waits", "enough"].map((file) => join(host.base, file)) as [string, string, string]; // biome-ignore format: one line
        const busy = whole.replace("\ntask_switch_do() {", (head) => `${head} component_lock web 10; : >${held}; until [ -e ${enough} ]; do nap; done; fail 75 test-over\n`); // biome-ignore format: one line
        await writeFile(
          host.script,
          busy.replace("\tuntil flock -n 6; do\n", (line) => `${line}\t\t: >${waits}\n`),
        );
        const other = host.start("switch", "do", { version: "v2", run: "r2" });
        await until("the lock", 10_000, async () => existsSync(held));
        const undoing = host.task("backup", "undo", { version: "v2" });
        await until("the wait for it", 10_000, async () => existsSync(waits));
        assert.equal(await said(), "converted, converted");
        await writeFile(enough, "");
        assert.equal((await other.result).reason, "test-over");
        assert.match((await undoing).evidence, /restored=2/);
        assert.equal(await said(), "before");
      }));
  });
}
