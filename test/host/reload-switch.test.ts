// Strategy reload: HAProxy's master executes itself again, nginx reads its files anew. The pid stays, so what runs has to show that it is new.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { ask, failures, underLoad } from "../support/asking-clients.ts";
import { takeFromDebian } from "../support/debian-files.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { type KillPoint, killedAt } from "../support/killed-at.ts";
import { alive } from "../support/live-processes.ts";
import {
  assertOneMaster,
  crashAndStartAnew,
  installHaproxy,
  installNginx,
  nginxFiles,
  nginxSkip,
} from "../support/master-services.ts";
import { commit, confirmAndCommit, switchTo, undo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { skipReason } from "../support/skip-reason.ts";
import { withSmallDisk } from "../support/small-disk.ts";
import { deadlineComes, endWatcher } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

const points: Readonly<Record<string, KillPoint>> = {
  "before it is remembered": ["reload_to", "\t\treload_tick_=$(clock_tick)"],
  "before it is asked": ["reload_ask", "\tkill -s"],
  "after it was asked": ["reload_to", "\treload_wait"],
  "new workers accept": ["reload_quiet", "\twait_quiet"],
};

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3, skip: nginxSkip }, () => {
    test(`${name}: P11: HAProxy executes its new program, and comes back, without a failed request`, () =>
      withPartsHost(shell, async (host) => {
        await installHaproxy(host, "v1");
        await installHaproxy(host, "v2");
        await commit(host, "v1");
        const main = await host.pid();
        const answers = await underLoad(host.port, async () => {
          const switched = await switchTo(host, "v2");
          assert.match(switched.evidence, new RegExp(`old-pid=${main} new-pid=${main} from=v1 to=v2`), switched.reason);
          assert.equal(await ask(host.port), "v2");
          assert.match(await undo(host, "v2"), new RegExp(`old-pid=${main} new-pid=${main} from=v2 to=v1`));
          await assertOneMaster(host, "v1");
          assert.equal((await host.task("switch", "do", { version: "v2", run: "again", session: "a" })).exitCode, 0);
          await confirmAndCommit(host, "v2", "again");
          await assertOneMaster(host, "v2");
        });
        assert.deepEqual(failures(answers), []);
        assert.ok((answers.v1 ?? 0) > 0 && (answers.v2 ?? 0) > 0, JSON.stringify(answers));
      }));

    test(`${name}: P11: a version that HAProxy refuses to read fails the switch, and its old workers serve on`, () =>
      withPartsHost(shell, async (host) => {
        await installHaproxy(host, "v1");
        await installHaproxy(host, "broken", { main: "nonsense", contract: { "switch.ready-seconds": "2" } });
        await commit(host, "v1");
        const main = await host.pid();
        const answers = await underLoad(host.port, async () => {
          const switched = await switchTo(host, "broken");
          assert.equal(switched.reason, "not-reloaded", switched.evidence);
          assert.match(switched.evidence, /runs broken and accepts after 2 s;.*nonsense/s);
          await undo(host, "broken");
          await assertOneMaster(host, "v1");
        });
        assert.equal(await host.pid(), main);
        assert.deepEqual(Object.keys(answers), ["v1"]);
      }));

    test(`${name}: P6: a reload that is killed at any point is continued and taken back, without a failed request`, () =>
      withPartsHost(shell, async (host) => {
        await installHaproxy(host, "v1");
        await installHaproxy(host, "v2");
        await commit(host, "v1");
        const whole = await readFile(host.script, "utf8");
        const answers = await underLoad(host.port, async () => {
          for (const [round, [point, where]] of Object.entries(points).entries()) {
            const call = { version: "v2", run: `r${round}` };
            for (const action of ["do", "undo"] as const) {
              if (action === "undo") await endWatcher(host);
              await writeFile(host.script, killedAt(whole, where));
              assert.equal((await host.task("switch", action, call)).exitCode, 137, `${action} ${point}`);
              await writeFile(host.script, whole);
              const again = await host.task("switch", action, call);
              assert.equal(again.exitCode, 0, `${action} ${point}: ${again.reason} ${again.evidence}`);
              await assertOneMaster(host, action === "do" ? "v2" : "v1");
            }
          }
        });
        assert.deepEqual(failures(answers), []);
      }));

    test(`${name}: P7: a service that crashed before it was asked runs the new version by then, and goes back too`, () =>
      withPartsHost(shell, async (host) => {
        await installHaproxy(host, "v1");
        await installHaproxy(host, "v2");
        await commit(host, "v1");
        const whole = await readFile(host.script, "utf8");
        const call = { version: "v2", run: "v2" };
        await writeFile(host.script, killedAt(whole, ["reload_to", "\t\treload_tick_=$(clock_tick)"]));
        assert.equal((await host.task("switch", "do", call)).exitCode, 137);
        await writeFile(host.script, whole);
        await crashAndStartAnew(host, "v2");
        await undo(host, "v2");
        await assertOneMaster(host, "v1");
      }));

    test(`${name}: P8: the deadline takes HAProxy back; when its master was killed the old version is started anew`, () =>
      withPartsHost(shell, async (host) => {
        await installHaproxy(host, "v1");
        await installHaproxy(host, "v2");
        await commit(host, "v1");
        const answers = await underLoad(host.port, async () => {
          assert.equal((await switchTo(host, "v2")).exitCode, 0);
          await deadlineComes(host);
          await until("the way back", 12000, async () => (await host.trial()) === "reverted");
          await assertOneMaster(host, "v1");
        });
        assert.deepEqual(failures(answers), []);
        assert.equal((await host.task("switch", "do", { version: "v2", run: "again" })).exitCode, 0);
        const main = (await host.pid()) ?? 0;
        process.kill(main, "SIGKILL");
        await until("its end", 3000, async () => !(await alive(main)));
        await undo(host, "v2", "again");
        await until("v1 to serve", 5000, async () => (await ask(host.port)) === "v1");
      }));

    for (const full of ["size", "nr_inodes"] as const)
      test(
        `${name}: P8, P11: with no ${full} left on the disk of its state HAProxy is taken back all the same, and not asked for more`,
        {
          skip: skipReason({ root: true }),
        },
        () =>
          withPartsHost(shell, (host) =>
            withSmallDisk(join(host.state, "components"), async (limit) => {
              await installHaproxy(host, "v1");
              await installHaproxy(host, "v2");
              await commit(host, "v1");
              const main = await host.pid();
              const answers = await underLoad(host.port, async () => {
                assert.equal((await switchTo(host, "v2")).exitCode, 0);
                limit(full);
                await undo(host, "v2");
                assert.equal(await ask(host.port), "v1");
                assert.notEqual((await host.task("switch", "do", { version: "v2", run: "again" })).exitCode, 0);
              });
              assert.deepEqual(failures(answers), []);
              await assertOneMaster(host, "v1");
              assert.equal(await host.pid(), main);
            }),
          ),
      );

    test(`${name}: a reload that brings nothing new fails: nginx keeps its program`, () =>
      withPartsHost(shell, async (host) => {
        const reload = { "switch.strategy": "reload", "switch.reload-signal": "HUP" };
        await installNginx(host, "v1", { contract: reload });
        await installNginx(host, "v2", { contract: { ...reload, "switch.ready-seconds": "2" } });
        await commit(host, "v1");
        const answers = await underLoad(host.port, async () => {
          const switched = await switchTo(host, "v2");
          assert.equal(switched.reason, "not-reloaded", "its program is still that of v1");
          await undo(host, "v2");
          await assertOneMaster(host, "v1");
        });
        assert.deepEqual(failures(answers), []);
      }));

    test(`${name}: P11: a program outside of the tree reads the new version's files, and comes back, without a failed request`, () =>
      withPartsHost(shell, async (host) => {
        const program = join(host.base, "bin/nginx");
        const outside = {
          contract: { "switch.strategy": "reload", "switch.reload-signal": "HUP" },
          program: `#!/bin/sh\nexec "${program}" "$@"\n`,
          daemon: "off",
        } as const;
        await installNginx(host, "v1", outside);
        await installNginx(host, "v2", outside);
        await takeFromDebian(nginxFiles, host.base);
        await commit(host, "v1");
        const main = await host.pid();
        const answers = await underLoad(host.port, async () => {
          const switched = await switchTo(host, "v2");
          assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
          assert.equal(await ask(host.port), "v2");
          await undo(host, "v2");
          assert.equal(await ask(host.port), "v1");
        });
        assert.equal(await host.pid(), main);
        assert.deepEqual(failures(answers), []);
        assert.ok((answers.v1 ?? 0) > 0 && (answers.v2 ?? 0) > 0, JSON.stringify(answers));
      }));
  });
}
