// Backups that a component's own task makes, and restore points: backups of several components at one moment (R17).
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { parseBackupPart } from "../../src/host/parse-backup-part.ts";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

const uptimeCs = async (): Promise<number> =>
  Math.round(Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]) * 100);

/** A database in one file, which only its own tasks may copy. */
const tasksOf = (data: string) => ({
  dump: `#!/bin/sh\necho "$CUTOVER_VERSION" >"$CUTOVER_BACKUP/version" && cp ${data} "$CUTOVER_BACKUP/rows"\n`,
  load: `#!/bin/sh\n[ -f "$CUTOVER_BACKUP/rows" ] || exit 9\ncp "$CUTOVER_BACKUP/rows" ${data}\n`,
});
const contract = { "backup.task": "save", "task.save.do": "dump", "task.save.undo": "load" };

/** switch, confirm, commit. */
async function commit(host: PartsHost, version: string): Promise<void> {
  const run = `run-${version}`;
  for (const [kind, session] of [
    ["switch", "a"],
    ["confirm", "b"],
    ["commit", "b"],
  ] as const) {
    const done = await host.task(kind, "do", { version, run, session });
    assert.equal(done.exitCode, 0, `${kind}: ${done.reason} ${done.evidence}`);
  }
}

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    for (const how of ["undo", "deadline"] as const)
      test(`${name}: R17: what a backup task saved is put back by its undo, of the version that saved it, when the way back is an ${how}`, () =>
        withPartsHost(shell, async (host) => {
          const data = join(host.base, "rows");
          await host.installService("v1", {}, { "switch.strategy": "restart" });
          await host.installService("v2", {}, { ...contract, "switch.strategy": "restart" }, {}, tasksOf(data));
          await writeFile(data, "old rows");
          await commit(host, "v1");
          const saved = await host.task("backup", "do", { version: "v2" });
          assert.match(saved.evidence, /paths=0 missing=0 task=save/, saved.reason);
          assert.equal((await host.task("switch", "do", { version: "v2", session: "a" })).exitCode, 0);
          await writeFile(data, "converted rows");
          if (how === "undo") {
            const undone = await host.task("switch", "undo", { version: "v2", options: { reason: "failed" } });
            assert.match(undone.evidence, /restored=0[\s\S]*current=v1/, `${undone.reason} ${undone.evidence}`);
          } else {
            await deadlineComes(host);
            await until("the way back", 20_000, async () => (await host.trial()) === "reverted");
          }
          assert.equal(await readFile(data, "utf8"), "old rows");
          assert.ok(await host.pid(), "the old version serves");
        }));

    test(`${name}: R17: a backup task that fails, or that says a moment which is none, leaves no backup; one without its rows does not count as put back`, () =>
      withPartsHost(shell, async (host) => {
        const bundle = {
          fails: "#!/bin/sh\necho no space; exit 3\n",
          lies: '#!/bin/sh\necho 1.00 >"$CUTOVER_MOMENT"\n',
          empty: "#!/bin/sh\n:\n",
          load: "#!/bin/sh\necho where are they; exit 9\n",
        };
        for (const [file, reason, evidence] of [
          ["fails", "backup-failed", /save: task-failed: exit 3: no space/],
          ["lies", "bad-moment", /save wrote a moment/],
        ] as const) {
          await host.install("v1", { bundle, contract: { ...contract, "task.save.do": file } });
          const failed = await host.task("backup", "do", { version: "v1" });
          assert.equal(failed.reason, reason, failed.evidence);
          assert.match(failed.evidence, evidence);
          assert.deepEqual(await readdir(join(host.state, "components/web/backups")), []);
        }
        await host.install("v1", { bundle, contract: { ...contract, "task.save.do": "empty" } });
        assert.equal((await host.task("backup", "do", { version: "v1" })).exitCode, 0);
        const undone = await host.task("backup", "undo", { version: "v1" });
        assert.deepEqual([undone.exitCode, undone.reason], [74, "restore-failed"]);
        assert.match(undone.evidence, /where are they/);
      }));

    test(`${name}: R17: a part of a restore point says of which tree it is, when it was taken and what it holds; another point takes it anew, until the run has switched`, () =>
      withPartsHost(shell, async (host) => {
        const settings = join(host.base, "settings");
        await mkdir(settings);
        await writeFile(join(settings, "a"), "1");
        const paths = { "backup.0": settings, "backup.1": join(host.base, "not-yet") };
        await host.install("v1", { contract: paths });
        await host.install("v2", { contract: paths });
        await commit(host, "v1");
        const take = (point: string, more = {}) =>
          host.task("backup", "do", { version: "v2", options: { point, ...more } });
        const before = await uptimeCs();
        const wanted = before + 80;
        const first = await take("r1.p1", { at: `${wanted}` });
        const part = parseBackupPart(first.evidence) ?? assert.fail(`${first.reason} ${first.evidence}`);
        assert.deepEqual([part.point, part.version], ["r1.p1", "v1"], "of what runs, not of what comes");
        assert.match(part.tree ?? "", /^sha256:[0-9a-f]{64}$/);
        assert.ok(part.fromCs >= wanted && part.toCs >= part.fromCs, "not before the moment that was agreed");
        assert.ok(Math.abs(part.wallMs - Date.now()) < 60_000);
        assert.equal(part.bootId, (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim());
        const again = await take("r1.p1");
        assert.match(again.evidence, /^already/);
        assert.deepEqual(parseBackupPart(again.evidence), part, "the same point is not taken twice");

        await writeFile(join(settings, "a"), "2");
        const second = parseBackupPart((await take("r1.p2")).evidence) ?? assert.fail("no part");
        assert.notEqual(second.state, part.state);
        await writeFile(join(settings, "a"), "1");
        const third = parseBackupPart((await take("r1.p3")).evidence) ?? assert.fail("no part");
        assert.equal(third.state, part.state, "the same bytes are the same state");
        assert.deepEqual(await readdir(join(host.state, "components/web/backups")), ["r1"]);

        assert.equal((await host.task("switch", "do", { version: "v2" })).exitCode, 0);
        const late = await take("r1.p4");
        assert.deepEqual([late.exitCode, late.reason], [75, "trial-open"]);
        const bad = await take("r1.p4", { at: `${(await uptimeCs()) + 100_000}` });
        assert.notEqual(bad.exitCode, 0);
      }));

    test(`${name}: R17: a service that hands over by exec is started anew on what was put back; an undo of the backup alone counts as well`, () =>
      withPartsHost(shell, async (host) => {
        const settings = join(host.base, "settings");
        await host.installService("v1", {}, { "backup.0": settings });
        await writeFile(settings, "before");
        await commit(host, "v1");
        const pid = await host.pid();
        await host.task("backup", "do", { version: "v1", options: { point: "r1.p1" } });
        await writeFile(settings, "spoilt");
        const back = () => host.task("backup", "undo", { version: "v1", options: { point: "r1.p1" } });
        assert.match((await back()).evidence, /restored=1/);
        assert.equal(await readFile(settings, "utf8"), "before");
        const now = await host.pid();
        assert.ok(now !== undefined && now !== pid);
        await host.task("backup", "do", { version: "v1", options: { point: "r1.p2" } });
        await host.task("backup", "undo", { version: "v1" });
        assert.match(
          (await host.task("backup", "undo", { version: "v1", options: { point: "r1.p2" } })).evidence,
          /already/,
        );
      }));

    test(`${name}: R17: a part is put back once, while a service that was not switched is stopped; a damaged one, or one of another point, is refused`, () =>
      withPartsHost(shell, async (host) => {
        const settings = join(host.base, "settings");
        await host.installService("v1", {}, { "switch.strategy": "restart", "backup.0": settings });
        await writeFile(settings, "before");
        await commit(host, "v1");
        const pid = await host.pid();
        const back = (point: string, run = "r1") =>
          host.task("backup", "undo", { version: "v1", run, options: { point } });
        assert.match((await back("r1.p1")).evidence, /nothing-to-undo/);
        await host.task("backup", "do", { version: "v1", options: { point: "r1.p1" } });
        await writeFile(settings, "spoilt");
        assert.equal((await back("r1.p2")).reason, "point-differs");
        const restored = await back("r1.p1");
        assert.match(restored.evidence, /restored=1/, `${restored.reason} ${restored.evidence}`);
        assert.equal(await readFile(settings, "utf8"), "before");
        assert.notEqual(await host.pid(), pid, "it was started anew on the old bytes");
        await writeFile(settings, "written since");
        assert.match((await back("r1.p1")).evidence, /restored already/);
        assert.equal(await readFile(settings, "utf8"), "written since");

        await host.task("backup", "do", { version: "v1", run: "r2", options: { point: "r2.p1" } });
        await writeFile(join(host.state, "components/web/backups/r2/0"), "flipped");
        const damaged = await back("r2.p1", "r2");
        assert.deepEqual([damaged.exitCode, damaged.reason], [74, "backup-damaged"], damaged.evidence);
        assert.equal(
          await readFile(settings, "utf8"),
          "written since",
          "nothing is put back of what is not what was saved",
        );
        assert.ok(await host.pid(), "the service runs again");
      }));

    test(`${name}: R17: what the way back of a trial put back, the undo of its restore point leaves alone`, () =>
      withPartsHost(shell, async (host) => {
        const settings = join(host.base, "settings");
        await host.install("v1", { contract: { "backup.0": settings } });
        await host.install("v2", { contract: { "backup.0": settings } });
        await writeFile(settings, "before");
        await commit(host, "v1");
        await host.task("backup", "do", { version: "v2", options: { point: "r1.p1" } });
        await host.task("switch", "do", { version: "v2" });
        await writeFile(settings, "converted");
        const undo = () => host.task("backup", "undo", { version: "v2", options: { point: "r1.p1" } });
        assert.equal((await undo()).reason, "trial-open");
        await host.task("switch", "undo", { version: "v2", options: { reason: "failed" } });
        await writeFile(settings, "written since");
        assert.match((await undo()).evidence, /restored by the way back/);
        assert.equal(await readFile(settings, "utf8"), "written since");
      }));
  });
}
