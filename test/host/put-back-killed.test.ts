// Putting back a part of a restore point stops a service or starts it anew. Wherever that is killed, whoever asks again brings back the
// service too: "restored already" from a host where nobody serves would be the end of the way back (R17, P6).
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { type KillPoint, killedAt } from "../support/killed-at.ts";
import { inTurn } from "../support/shells.ts";

const isBack: Readonly<Record<string, KillPoint>> = {
  "once all of it is back": ["point_put_back", "\tpoint_serve"],
  "while it starts": ["point_serve", "\twait_ready"],
  "when it serves": ["point_serve", "\trm -f"],
};
const isNotBack: Readonly<Record<string, KillPoint>> = {
  "before it is stopped": ["point_put_back", "\t! point_was_active"],
  "while nobody serves": ["point_put_back", "\tbackup_put_back"],
  "before it is marked": ["backup_mark", "\t(write_file"],
};

async function withService(host: PartsHost, strategy: string) {
  const settings = join(host.base, "settings");
  await host.installService("v1", {}, { "switch.strategy": strategy, "backup.0": settings });
  await writeFile(settings, "before");
  for (const [kind, session] of [
    ["switch", "a"],
    ["confirm", "b"],
    ["commit", "b"],
  ] as const)
    assert.equal((await host.task(kind, "do", { version: "v1", run: "r0", session })).exitCode, 0, kind);
  const served = async () => {
    const pid = await host.pid();
    return pid !== undefined && existsSync(`/proc/${pid}/exe`) ? pid : undefined;
  };
  const backup = (action: "do" | "undo", run: string, options = {}) =>
    host.task("backup", action, { version: "v1", run, options });
  return { settings, served, backup, whole: await readFile(host.script, "utf8") };
}

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2 }, () => {
    for (const strategy of ["restart", "exec"])
      test(`${name}: R17, P6: a service with ${strategy} runs again, on what was put back, wherever that was killed`, () =>
        withPartsHost(shell, async (host) => {
          const { settings, served, backup, whole } = await withService(host, strategy);
          for (const [point, where] of Object.entries({ ...isNotBack, ...isBack })) {
            const run = point.replaceAll(" ", "-");
            const options = { point: `${run}.p1` };
            await writeFile(settings, "before");
            await backup("do", run, options);
            await writeFile(settings, "spoilt");
            const before = await served();
            assert.ok(before !== undefined, point);
            await writeFile(host.script, killedAt(whole, where));
            assert.equal((await backup("undo", run, options)).exitCode, 137, `${point}: it was to be killed`);
            await writeFile(host.script, whole);
            if (point in isBack) await writeFile(settings, "written since");
            const again = await backup("undo", run, options);
            assert.match(
              again.evidence,
              point in isBack ? /restored already/ : /restored=1/,
              `${point} ${again.reason}`,
            );
            assert.equal(await readFile(settings, "utf8"), point in isBack ? "written since" : "before", point);
            const now = await served();
            assert.ok(now !== undefined && now !== before, `${point}: ${before} ${now}`);
            assert.match((await backup("undo", run, options)).evidence, /restored already/);
            assert.equal(await served(), now, `${point}: it is not started a second time`);
          }
        }));

    test(`${name}: R17: a service that did not start on what was put back is started by the next undo, also one of the backup alone; one that did not run stays as it is`, () =>
      withPartsHost(shell, async (host) => {
        const { settings, served, backup, whole } = await withService(host, "restart");
        const point = { point: "r1.p1" };
        await backup("do", "r1", point);
        await writeFile(settings, "spoilt");
        await writeFile(host.script, whole.replace("\nmanager_start() {", "$& WHY=broken EVIDENCE=here; return 1;"));
        const failed = await backup("undo", "r1", point);
        assert.deepEqual([failed.exitCode, failed.reason, await served()], [71, "broken", undefined]);
        assert.deepEqual([(await backup("undo", "r1", point)).exitCode, await served()], [71, undefined]);
        await writeFile(host.script, whole);
        assert.match((await backup("undo", "r1")).evidence, /restored already/);
        assert.ok(await served());
        assert.equal(await readFile(settings, "utf8"), "before");

        await backup("do", "r2", { point: "r2.p1" });
        await writeFile(host.script, killedAt(whole, ["backup_put_back", "\tbackup_back_task_"]));
        assert.equal((await backup("undo", "r2", { point: "r2.p1" })).exitCode, 137);
        await writeFile(host.script, whole);
        assert.equal(await served(), undefined);
        assert.match((await backup("undo", "r2")).evidence, /restored=1/);
        assert.ok(await served());

        const stop = "stop_it() { T_COMPONENT=web; load_contract web v1; manager_stop; }\n";
        await writeFile(
          host.script,
          whole.replace("\ncheck_contract() {", (head) => `\n${stop}${head}`),
        );
        assert.equal((await host.word("call", "stop_it")).exitCode, 0);
        await backup("do", "r3", { point: "r3.p1" });
        assert.match((await backup("undo", "r3", { point: "r3.p1" })).evidence, /restored=1/);
        assert.equal(await served(), undefined);
      }));
  });
}
