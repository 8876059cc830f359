// A way back whose data finds no room at first lets the old version serve all the same, and is tried again. By the time the data is back,
// workers run that were started before it, and may hold open what was there: they make way for others (R17, P8).
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { failures, underLoad } from "../support/asking-clients.ts";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { killedAt } from "../support/killed-at.ts";
import {
  assertOneMaster,
  installHaproxy,
  installNginx,
  nginxSkip,
  serviceProcesses,
} from "../support/master-services.ts";
import { commit, restoreFailsOnce } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { endWatcher } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

const services = {
  signal: (host: PartsHost, version: string, contract: Record<string, string>) =>
    installNginx(host, version, { contract }),
  reload: (host: PartsHost, version: string, contract: Record<string, string>) =>
    installHaproxy(host, version, { contract }),
};

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2, skip: nginxSkip }, () => {
    for (const [strategy, install] of Object.entries(services))
      test(`${name}: R17, P8, P11: ${strategy}: workers that came back before the data did make way once it is back`, () =>
        withPartsHost(shell, async (host) => {
          const data = join(host.base, "data");
          for (const version of ["v1", "v2"]) await install(host, version, { "backup.0": data });
          await writeFile(data, "before");
          await commit(host, "v1");
          const main = await host.pid();
          const pidFile = join(host.state, "components/web/pid");
          const served = await restoreFailsOnce(host, `children_of "$(cat ${pidFile})"`);
          const call = { version: "v2" };
          const answers = await underLoad(host.port, async () => {
            assert.equal((await host.task("backup", "do", call)).exitCode, 0);
            assert.equal((await host.task("switch", "do", call)).exitCode, 0);
            await endWatcher(host);
            await writeFile(data, "spoilt");
            assert.equal((await host.task("switch", "undo", call)).reason, "restore-failed");
            await until("the way back", 20_000, async () => (await host.trial()) === "reverted");
          });
          assert.deepEqual(failures(answers), []);
          assert.equal(await readFile(data, "utf8"), "before");
          const before = (await readFile(served, "utf8")).trim().split(/\s+/).map(Number);
          assert.ok(before.length > 0 && before.every((pid) => pid > 0), "some served when the data came back");
          await until("others serve", 5000, async () =>
            (await serviceProcesses(host)).every(({ pid }) => !before.includes(pid)),
          );
          await assertOneMaster(host, "v1");
          assert.equal(await host.pid(), main);
        }));

    test(`${name}: R17, P11: signal: workers of a master that nobody had asked yet make way once saved data was put back`, () =>
      withPartsHost(shell, async (host) => {
        const data = join(host.base, "data");
        for (const version of ["v1", "v2"]) await services.signal(host, version, { "backup.0": data });
        await writeFile(data, "before");
        await commit(host, "v1");
        const main = await host.pid();
        const before = (await serviceProcesses(host)).flatMap(({ pid }) => (pid === main ? [] : [pid]));
        const whole = await readFile(host.script, "utf8");
        const call = { version: "v2" };
        const answers = await underLoad(host.port, async () => {
          assert.equal((await host.task("backup", "do", call)).exitCode, 0);
          await writeFile(data, "spoilt");
          await writeFile(host.script, killedAt(whole, ["signal_forward", "\t\t{"]));
          assert.equal((await host.task("switch", "do", call)).exitCode, 137);
          await writeFile(host.script, whole);
          assert.equal((await host.task("switch", "undo", call)).exitCode, 0);
        });
        assert.deepEqual(failures(answers), []);
        assert.equal(await readFile(data, "utf8"), "before");
        await until("others serve", 5000, async () =>
          (await serviceProcesses(host)).every(({ pid }) => !before.includes(pid)),
        );
        await assertOneMaster(host, "v1", 2);
        assert.equal(await host.pid(), main);
      }));
  });
}
