// The same for strategies that hand over from process to process: who came back before the data did hands over once more (R17, P8).
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ask, failures, underLoad } from "../support/asking-clients.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { alive, serviceProcesses } from "../support/live-processes.ts";
import { commit, restoreFailsOnce } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { endWatcher } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  for (const strategy of ["exec", "reuseport"])
    test(`${name}: R17, P8, P11: ${strategy}: an old version that came back before its data did hands over to another once that is back`, () =>
      withPartsHost(shell, async (host) => {
        const data = join(host.base, "data");
        for (const version of ["v1", "v2"])
          await host.installService(version, { reusePort: strategy === "reuseport" }, { "switch.strategy": strategy, "backup.0": data }); // biome-ignore format: one line
        await writeFile(data, "before");
        await commit(host, "v1");
        const pidFile = join(host.state, "components/web/pid");
        const served = await restoreFailsOnce(host, `cat ${pidFile}`);
        const call = { version: "v2" };
        const answers = await underLoad(host.port, async () => {
          assert.equal((await host.task("backup", "do", call)).exitCode, 0);
          assert.equal((await host.task("switch", "do", call)).exitCode, 0);
          await endWatcher(host);
          await writeFile(data, "spoilt");
          assert.equal((await host.task("switch", "undo", call)).reason, "restore-failed");
          await until("the way back", 20_000, async () => (await host.trial()) === "reverted");
        });
        // What waits in the queue of a listener that closes may be reset here (reuseport in mode user).
        if (strategy === "exec") assert.deepEqual(failures(answers), []);
        assert.equal(await readFile(data, "utf8"), "before");
        const before = (await readFile(served, "utf8")).trim().split(/\s+/).map(Number);
        assert.ok(before.every((pid) => pid > 0));
        assert.deepEqual(
          await Promise.all(before.map(alive)),
          before.map(() => false),
        );
        assert.deepEqual([await ask(host.port), await serviceProcesses(host)], ["v1", [await host.pid()]]);
      }));
}
