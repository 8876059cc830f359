// A backup is what its switch goes back to, and hours may lie between the two: a run tries again, or its restore point was taken long before its
// batch. What the old version wrote in between is saved first, and only what the run itself did to the data keeps an older copy (R17, P4).
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { killedAt } from "../support/killed-at.ts";
import { inTurn } from "../support/shells.ts";
import { endWatcher } from "../support/trial-clock.ts";

async function orders(host: PartsHost) {
  const file = join(host.base, "orders");
  const write = (text: string) => writeFile(file, text);
  const read = () => readFile(file, "utf8");
  const bundle = {
    convert: `#!/bin/sh\ncp ${file} "$CUTOVER_STATE/kept"\necho converted >${file}\n`,
    unconvert: `#!/bin/sh\ncp "$CUTOVER_STATE/kept" ${file}\n`,
    plain: `#!/bin/sh\nprintf plain >${file}\n`,
  };
  const tasks = { "task.convert.do": "convert", "task.convert.undo": "unconvert", "task.plain.do": "plain", "task.lost.do": "lost" }; // biome-ignore format: one line
  for (const version of ["v1", "v2"]) await host.install(version, { contract: { "backup.0": file, ...tasks }, bundle });
  const must = async (kind: string, action: "do" | "undo", more: Partial<Parameters<PartsHost["task"]>[2]> = {}) => {
    const ended = await host.task(kind, action, { version: "v2", ...more });
    assert.equal(ended.exitCode, 0, `${kind} ${action}: ${ended.reason} ${ended.evidence}`);
    return ended.evidence;
  };
  await must("switch", "do", { version: "v1", run: "r0" });
  await must("confirm", "do", { version: "v1", run: "r0", session: "b" });
  await must("commit", "do", { version: "v1", run: "r0" });
  await write("at three");
  const goesBack = async () => {
    await must("switch", "do");
    await write("spoilt by the new version");
    await must("switch", "undo", { options: { reason: "failed", "trial-run": "r1" } });
  };
  return { write, read, must, goesBack };
}

const convert = { options: { name: "convert" } };
const point = { options: { point: "r1.p1" } };

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2 }, () => {
    test(`${name}: R17, P4: a switch that never armed a trial is tried again with what the old version has written since`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must, goesBack } = await orders(host);
        await must("backup", "do");
        const failed = await host.task("switch", "do", { version: "v2", options: { deadline: "99999" } });
        assert.deepEqual([failed.reason, await host.trial()], ["deadline-too-long", "none"]);
        await write("at nine, by the old version");
        assert.match(await must("backup", "do"), /paths=1/);
        await goesBack();
        assert.equal(await read(), "at nine, by the old version");
      }));

    test(`${name}: R17, P4: what only the copy has is kept: under a trial, after a task of the bundle that was not undone, and once committed`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must, goesBack } = await orders(host);
        await must("backup", "do");
        const missing = await host.task("hook", "do", { version: "v2", options: { name: "lost" } });
        assert.deepEqual([missing.exitCode, missing.reason], [69, "not-executable"]);
        const dry = await host.task("hook", "do", { version: "v2", options: { name: "convert", "dry-run": "yes" } });
        assert.equal(dry.reason, "no-dry-run");
        await write("at four");
        assert.match(await must("backup", "do"), /paths=1/, "nothing of the bundle has begun");

        await must("hook", "do", convert);
        assert.match(await must("backup", "do"), /^already/, "only the copy is not converted");
        await must("hook", "undo", convert);
        await write("at nine");
        assert.match(await must("backup", "do"), /paths=1/, "the data is as the old version left it");

        await must("hook", "do", { options: { name: "plain" } });
        assert.match(await must("hook", "undo", { options: { name: "plain" } }), /nothing-to-undo/);
        assert.match(await must("backup", "do"), /^already/, "without an undo the copy is the way back");
        await goesBack();
        assert.equal(await read(), "at nine");

        await must("backup", "do");
        await must("switch", "do");
        assert.match(await must("backup", "do"), /^already/);
        await must("confirm", "do", { session: "b" });
        assert.match(await must("backup", "do"), /^already/);
        await must("commit", "do");
        assert.match(await must("backup", "do"), /^already/);
      }));

    test(`${name}: R17, P6: a task of the bundle that was killed before it was heard of has begun: what was saved before it is kept`, () =>
      withPartsHost(shell, async (host) => {
        const { read, must, goesBack } = await orders(host);
        await must("backup", "do");
        const whole = await readFile(host.script, "utf8");
        await writeFile(host.script, killedAt(whole, ["hook_task", "\t\ttail -n 20"]));
        assert.equal((await host.task("hook", "do", { version: "v2", ...convert })).exitCode, 137);
        await writeFile(host.script, whole);
        assert.match(await must("backup", "do"), /^already/);
        await goesBack();
        assert.equal(await read(), "at three");
      }));

    test(`${name}: R17, P4: a batch that goes back by itself gets what was saved right before its own switch, not the restore point of hours ago`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must, goesBack } = await orders(host);
        await must("backup", "do", point);
        await must("hook", "do", { options: { name: "plain" } });
        await write("six hours and three batches later");
        assert.match(await must("backup", "do"), /paths=1/, "also after a task that ran before all batches");
        await goesBack();
        assert.equal(await read(), "six hours and three batches later");
        await write("and more");
        const spent = await host.task("switch", "do", { version: "v2" });
        assert.equal(spent.reason, "backup-spent");
        await must("backup", "do");
        await goesBack();
        assert.equal(await read(), "and more");
      }));

    test(`${name}: R17: the way back of the whole run puts the point back, after that of the switch, and nothing else after it`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must, goesBack } = await orders(host);
        await must("backup", "do", point);
        await write("later");
        await must("backup", "do");
        assert.match(await must("backup", "do", point), /^already\npart point=r1.p1/, "the point is still what it was");
        await goesBack();
        assert.match(await must("backup", "undo", point), /restored=1/);
        assert.equal(await read(), "at three");
        await write("written since");
        assert.match(await must("backup", "undo", point), /restored already/);
        assert.match(await must("backup", "undo"), /restored/);
        assert.equal(await read(), "written since");
      }));

    test(`${name}: R17, P6: a way back of the whole run puts the point back at once, in place of what was saved after it, wherever it was killed`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must } = await orders(host);
        const whole = await readFile(host.script, "utf8");
        await must("backup", "do", point);
        await write("later");
        await must("backup", "do");
        await must("switch", "do");
        await endWatcher(host);
        await write("spoilt by the new version");
        const undo = { version: "v2", options: { reason: "failed", "trial-run": "r1", point: "r1.p1" } };
        for (const place of ['\t\tbackup_put_back "$backup_dir_"', '\t\tbackup_mark trial "$restore_id_"']) {
          await writeFile(host.script, killedAt(whole, ["trial_restore", place]));
          assert.equal((await host.task("switch", "undo", undo)).exitCode, 137, place);
        }
        await writeFile(host.script, whole);
        await must("switch", "undo", { options: { reason: "failed", "trial-run": "r1" } });
        assert.equal(await read(), "at three");
        await write("written since");
        assert.match(await must("backup", "undo", point), /restored by the way back/);
        assert.match(await must("backup", "undo"), /restored by the way back/);
        assert.equal(await read(), "written since");
      }));

    test(`${name}: R17, P6: what was saved after a point is not put back over it, wherever the undo of the point was killed`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must } = await orders(host);
        const whole = await readFile(host.script, "utf8");
        await must("backup", "do", point);
        await write("later");
        await must("backup", "do");
        await writeFile(host.script, killedAt(whole, ["backup_mark", "\t(write_file"]));
        assert.equal((await host.task("backup", "undo", { version: "v2", ...point })).exitCode, 137);
        await writeFile(host.script, whole);
        assert.match(await must("backup", "undo"), /restored already/);
        assert.match(await must("backup", "do"), /^already/, "half way back nothing is saved");
        assert.match(await must("backup", "undo", point), /restored=1/);
        assert.equal(await read(), "at three");
      }));

    test(`${name}: R17, P6: that the way back of a switch put back what was saved after a point says nothing of the point, also where a new backup was killed`, () =>
      withPartsHost(shell, async (host) => {
        const { write, read, must, goesBack } = await orders(host);
        const whole = await readFile(host.script, "utf8");
        await must("backup", "do", point);
        await write("later");
        await must("backup", "do");
        await goesBack();
        await writeFile(host.script, killedAt(whole, ["backup_keep", '\tmv -T "$backup_new_"']));
        assert.equal((await host.task("backup", "do", { version: "v2" })).exitCode, 137);
        await writeFile(host.script, whole);
        assert.match(await must("backup", "undo", point), /restored=1/);
        assert.equal(await read(), "at three");
      }));
  });
}
