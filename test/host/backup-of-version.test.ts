// A backup is the data of the version that was current when it was made. What another run confirmed may go back by itself before the next
// switch, and a hand may point `current` elsewhere: no version is given the data of another one, and no half of each is saved (R17, P4).
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { insertedAt, killedAt } from "../support/killed-at.ts";
import { commit } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes, endWatcher } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

/** v1 is committed, and what runs keeps its data in one file. */
async function withData(host: PartsHost, bundle: Record<string, string> = {}, more: Record<string, string> = {}) {
  const file = join(host.base, "data");
  const tasks = Object.fromEntries(Object.keys(bundle).map((name) => [`task.${name}.do`, name]));
  for (const version of ["v1", "v2", "v3"])
    await host.install(version, { contract: { "backup.0": file, ...tasks, ...more }, bundle });
  await commit(host, "v1");
  const write = (text: string) => writeFile(file, text);
  await write("of v1");
  const must = async (kind: string, action: "do" | "undo", call: Parameters<PartsHost["task"]>[2]) => {
    const ended = await host.task(kind, action, call);
    assert.equal(ended.exitCode, 0, `${kind} ${action}: ${ended.reason} ${ended.evidence}`);
    return ended.evidence;
  };
  return { file, write, read: () => readFile(file, "utf8"), must };
}

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2 }, () => {
    test(`${name}: R17, P4: what was saved of a version that went back since is no way back for the one before it`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must } = await withData(host);
        const [earlier, later] = [{ version: "v2", run: "r1" }, { version: "v3", run: "r2" }]; // biome-ignore format: one line
        await must("backup", "do", earlier);
        await must("switch", "do", earlier);
        await must("confirm", "do", { ...earlier, session: "b" });
        await write("of v2");
        await must("backup", "do", later);
        // Its probation ends.
        await must("switch", "undo", earlier);
        assert.deepEqual([await host.current(), await read()], ["v1", "of v1"]);
        const spent = await host.task("switch", "do", later);
        assert.deepEqual([spent.exitCode, spent.reason, await host.current()], [66, "backup-spent", "v1"]);
        assert.match(spent.evidence, /is of v2, and v1 is current; it has to be saved anew/);
        const refused = await host.task("backup", "undo", later);
        assert.deepEqual([refused.exitCode, refused.reason, await read()], [66, "not-current", "of v1"]);
        const kept =
          /is of v2, and v1 is current: it is kept in (\S*backups\/r2), .* move it away: then/.exec(
            refused.evidence,
          )?.[1] ?? "";
        await rename(kept, `${host.base}/kept`);
        assert.equal(await must("backup", "undo", later), "nothing-to-undo\n");

        await write("of v1, and more");
        assert.match(await must("backup", "do", later), /paths=1/);
        await must("switch", "do", later);
        await write("of v3");
        await must("switch", "undo", later);
        assert.deepEqual([await host.current(), await read()], ["v1", "of v1, and more"]);
      }));

    test(`${name}: R17, P4: a run that has switched saves no data of its new version for a second switch, and makes none`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must } = await withData(host);
        await must("backup", "do", { version: "v2", run: "r1" });
        await must("switch", "do", { version: "v2", run: "r1" });
        await must("confirm", "do", { version: "v2", run: "r1", session: "b" });
        await write("of v2");
        assert.match(await must("backup", "do", { version: "v3", run: "r1" }), /^already/);
        assert.equal((await host.task("switch", "do", { version: "v3", run: "r1" })).reason, "backup-spent");
        await must("switch", "undo", { version: "v2", run: "r1" });
        assert.deepEqual([await host.current(), await read()], ["v1", "of v1"]);
      }));

    test(`${name}: R17, P4: what a hand had pointed current at goes back with its data, also to the point of its run`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must } = await withData(host);
        const [call, point] = [{ version: "v2" }, { version: "v2", options: { point: "r1.p1" } }];
        const current = join(host.base, "web/current");
        await unlink(current);
        await symlink("versions/v2", current);
        await write("at the point");
        await must("backup", "do", point);
        await write("before the switch");
        await must("backup", "do", call);
        await must("switch", "do", call);
        await write("after it");
        await must("switch", "undo", call);
        assert.deepEqual([await host.current(), await read()], ["v1", "before the switch"]);
        await unlink(current);
        await symlink("versions/v3", current);
        assert.equal((await host.task("backup", "undo", point)).reason, "not-current");
        await unlink(current);
        await symlink("versions/v1", current);
        await must("backup", "undo", point);
        assert.equal(await read(), "at the point");
      }));

    test(`${name}: R17, P4: nothing is saved of a version that is on trial for another run, nor while it goes back`, () =>
      withPartsHost(shell, async (host) => {
        const { file, write, must } = await withData(host);
        const whole = await readFile(host.script, "utf8");
        const [earlier, later] = [{ version: "v2", run: "r1" }, { version: "v3", run: "r2" }]; // biome-ignore format: one line
        const refused = async () => {
          for (const options of [{}, { point: "r2.p1" }]) {
            const { exitCode, reason } = await host.task("backup", "do", { ...later, options });
            assert.deepEqual([exitCode, reason, existsSync(join(host.state, "components/web/backups/r2"))], [75, "trial-open", false]); // biome-ignore format: one line
          }
        };
        await must("backup", "do", earlier);
        await must("switch", "do", earlier);
        await endWatcher(host);
        await write("of v2");
        await refused();
        await writeFile(host.script, killedAt(whole, ["backup_restore", "\tmv -T"]));
        assert.equal((await host.task("switch", "undo", earlier)).exitCode, 137);
        await writeFile(host.script, whole);
        assert.equal(await host.trial(), "reverting");
        await refused();
        await must("switch", "undo", earlier);
        assert.match(await must("backup", "do", later), /paths=1/);

        const [point, link] = [join(host.base, "web/current"), join(host.base, "web/versions/v3")];
        await writeFile(
          host.script,
          whole.replace("\nbackup_run_task() {", (head) => `${head} rm ${point}; ln -s versions/v3 ${point};`),
        );
        const moved = await host.task("backup", "do", later);
        assert.deepEqual([moved.exitCode, moved.reason], [75, "component-busy"]);
        assert.deepEqual(await readdir(join(host.state, "components/web/backups")), ["r1", "r2"]);
        assert.ok(existsSync(link));
        await writeFile(host.script, whole);
        await unlink(point);
        await symlink("versions/v1", point);
        await must("switch", "do", later);
        await write("of v3");
        await must("switch", "undo", later);
        assert.equal(await readFile(file, "utf8"), "of v1", "what was saved before is what there is");
      }));

    test(`${name}: R17, P10: data is not put back under a task without an undo that is still at it`, () =>
      withPartsHost(shell, async (host) => {
        const [begun, enough] = [join(host.base, "begun"), join(host.base, "enough")];
        const slow = `#!/bin/sh\n: >${begun}\nuntil [ -e ${enough} ]; do sleep 0.05; done\nprintf converted >${join(host.base, "data")}\n`;
        const { read, must } = await withData(host, { slow });
        const call = { version: "v2", options: { name: "slow" } };
        await must("backup", "do", { version: "v2" });
        const working = host.start("hook", "do", call);
        await until("the task", 20_000, async () => existsSync(begun));
        let isOver = false;
        const back = must("hook", "undo", call).then(async (said) => {
          isOver = true;
          return [said, await must("backup", "undo", { version: "v2" })];
        });
        await new Promise((done) => setTimeout(done, 500));
        assert.equal(isOver, false, "its undo waits for it");
        await writeFile(enough, "");
        assert.equal((await working.result).exitCode, 0);
        assert.deepEqual(await back, ["nothing-to-undo\n", "restored=1\n"]);
        assert.equal(await read(), "of v1");
      }));

    test(`${name}: R17, P8: a task after the switch ends before its host goes back by itself, also one that does not end when asked to, and writes nothing over what was put back then`, () =>
      withPartsHost(shell, async (host) => {
        const [begun, enough] = [join(host.base, "begun"), join(host.base, "enough")];
        const slow = `#!/bin/sh\n: >${begun}\nuntil [ -e ${enough} ]; do sleep 0.05; done\nprintf late >${join(host.base, "data")}\n`;
        const deaf = slow.replace("\n", "\ntrap '' TERM\n");
        const contract = { "probation.seconds": "60", "probation.at-end": "revert", "task.brief.seconds": "2" };
        const [whole, clock] = [await readFile(host.script, "utf8"), join(host.base, "clock")];
        const asked = insertedAt(whole, ["hook_in_time", "\thook_left_="], `UPTIME_CS=$(cat ${clock})`);
        await writeFile(host.script, asked);
        const { read, write, must } = await withData(host, { slow, deaf, brief: deaf }, contract);
        for (const [task, of] of [
          ["slow", "trial"],
          ["deaf", "trial"],
          ["brief", "trial"],
          ["deaf", "probation"],
        ] as const) {
          // biome-ignore format: one line
          for (const file of [begun, enough]) await rm(file, { force: true });
          await must("backup", "do", { version: "v2" });
          await must("switch", "do", { version: "v2" });
          if (of === "probation") await must("confirm", "do", { version: "v2", session: "b" });
          await write("of v2");
          // By its clock it begins 3 s before the deadline, which comes once it has begun.
          const record = of === "trial" ? "armed/trial" : "confirmed/probation";
          const deadline = /^deadline (\d+)$/m.exec(
            await readFile(join(host.state, "components/web/trial", record), "utf8"),
          );
          await writeFile(clock, `${Number(deadline?.[1]) - 300}\n`);
          const working = host.start("hook", "do", { version: "v2", options: { name: task } });
          await until("the task", 20_000, async () => existsSync(begun));
          await deadlineComes(host, { of, inMs: 4_000 });
          await until("the deadline", 20_000, async () => (await host.trial()) === "reverted");
          await writeFile(enough, "");
          const { exitCode, reason } = await working.result;
          assert.deepEqual([exitCode, reason, await read()], [71, "task-timeout", "of v1"], task);
        }
      }));

    test(`${name}: R17, P4: a task after the switch does not begin on a host that has gone back`, () =>
      withPartsHost(shell, async (host) => {
        const late = `#!/bin/sh\nprintf late >${join(host.base, "data")}\n`;
        const contract = { "task.late.at": "after-switch" };
        const { read, write, must } = await withData(host, { late, early: late }, contract);
        const call = { version: "v2", options: { name: "late" } };
        await must("backup", "do", { version: "v2" });
        await must("switch", "do", { version: "v2" });
        await write("of v2");
        await deadlineComes(host);
        await until("the deadline", 20_000, async () => (await host.trial()) === "reverted");
        const refused = await host.task("hook", "do", call);
        assert.deepEqual([refused.exitCode, refused.reason, await read()], [66, "reverted", "of v1"]);
        await must("hook", "do", { ...call, run: "r2" });
        await must("hook", "do", { ...call, step: "by-hand.1" });
        await must("hook", "do", { version: "v2", options: { name: "early" } });
        await must("backup", "do", { version: "v2" });
        await must("switch", "do", { version: "v2" });
        await write("of v2");
        const whole = await readFile(host.script, "utf8");
        const asked = insertedAt(whole, ["hook_in_time", "\thook_left_="], `UPTIME_CS=$((HOOK_UNTIL - \${LEFT:-200}))`);
        const late199 = insertedAt(asked, ["hook_until_way_back", "\tHOOK_UNTIL="], "LEFT=199");
        const slowDisk = insertedAt(asked, ["backup_begins", "\tbegins_run_="], "LEFT=199");
        for (const script of [late199, slowDisk]) {
          await writeFile(host.script, script);
          const { exitCode, reason, evidence } = await host.task("hook", "do", call);
          assert.deepEqual(
            [exitCode, reason, await read()],
            [66, "deadline-passed", "of v2"],
            "a deaf one would outlast it",
          );
          assert.match(evidence ?? "", /^task late does not begin when web is about to go back/);
        }
        await writeFile(host.script, asked);
        await must("hook", "do", call);
      }));

    test(`${name}: R17, P4: the way back of a run leaves alone what the old version wrote since, where no task got so far as to begin`, () =>
      withPartsHost(shell, async (host) => {
        const { read, write, must } = await withData(host, { plain: "#!/bin/sh\n" });
        const back = { version: "v2", step: "rollback.1" };
        const plain = { version: "v2", options: { name: "plain" } };
        await must("backup", "do", { version: "v2" });
        const missing = await host.task("hook", "do", { version: "v2", options: { name: "absent" } });
        assert.deepEqual([missing.exitCode, missing.reason], [69, "no-such-task"]);
        await write("hours later");
        assert.match(await must("backup", "undo", back), /^nothing-to-undo: no task has begun/);
        assert.equal(await read(), "hours later");
        await must("backup", "do", { version: "v2" });
        await must("hook", "do", plain);
        await write("converted");
        assert.match(await must("backup", "undo", back), /restored=1/);
        assert.equal(await read(), "hours later");
        // A person is obeyed.
        await must("backup", "do", { version: "v2", run: "r2" });
        await write("by a person");
        assert.match(await must("backup", "undo", { version: "v2", run: "r2", step: "by-hand.1" }), /restored=1/);
        assert.equal(await read(), "hours later");
      }));

    test(`${name}: P8: the undo of a task without one needs no room on the disk where that task never began`, () =>
      withPartsHost(shell, async (host) => {
        const { must } = await withData(host, { slow: "#!/bin/sh\n" });
        const tasks = join(host.state, "components/web/tasks");
        await writeFile(tasks, "no directory can be made here");
        assert.equal(await must("hook", "undo", { version: "v2", options: { name: "slow" } }), "nothing-to-undo\n");
        await unlink(tasks);
        await must("hook", "do", { version: "v2", options: { name: "slow" } });
        assert.equal(await must("hook", "undo", { version: "v2", options: { name: "slow" } }), "nothing-to-undo\n");
      }));

    test(`${name}: R17, P8: a copy that found no room while it was put back takes no room from who serves`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must } = await withData(host);
        const whole = await readFile(host.script, "utf8");
        await must("backup", "do", { version: "v2" });
        await write("converted");
        await writeFile(host.script, whole.replace("\ncopy_exact() {", (head) => `${head} : >"$2"; return 1;`)); // biome-ignore format: one line
        const failed = await host.task("backup", "undo", { version: "v2" });
        assert.deepEqual([failed.exitCode, failed.reason, await read()], [74, "restore-failed", "converted"]);
        assert.deepEqual((await readdir(host.base)).sort(), ["data", "web"]);
        await writeFile(host.script, whole);
        assert.match(await must("backup", "undo", { version: "v2" }), /restored=1/);
        assert.equal(await read(), "of v1");
      }));
  });
}
