// Strategy exec where nothing can be written any more: what serves goes on serving, and the way back is found.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { failures, underLoad } from "../support/asking-clients.ts";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { insertedAt, killedAt } from "../support/killed-at.ts";
import { serviceProcesses } from "../support/live-processes.ts";
import { commit, switchTo, undo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { skipReason } from "../support/skip-reason.ts";
import { withSmallDisk } from "../support/small-disk.ts";

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  for (const full of ["size", "nr_inodes"] as const)
    test(
      `${name}: P8, P11: with no ${full} left on the disk of its state, a host goes back to who was not asked to stop yet`,
      {
        skip: skipReason({ root: true }),
      },
      () =>
        withPartsHost(shell, (host) =>
          withSmallDisk(join(host.state, "components"), async (limit) => {
            await twoVersions(host);
            const first = await host.pid();
            const whole = await readFile(host.script, "utf8");
            const answers = await underLoad(host.port, async () => {
              await writeFile(host.script, killedAt(whole, ["exec_end_old", "\texec_note_stopping"]));
              assert.equal((await switchTo(host, "v2")).exitCode, 137);
              await writeFile(host.script, whole);
              limit(full);
              await undo(host, "v2");
            });
            assert.deepEqual(failures(answers), []);
            assert.equal(await host.trial(), "reverted");
            assert.deepEqual([await host.pid(), await serviceProcesses(host)], [first, [first]]);
          }),
        ),
    );

  test(`${name}: P8, P11: nobody is asked to stop where that cannot be written down for a way back; a way back itself asks`, () =>
    withPartsHost(shell, async (host) => {
      await twoVersions(host);
      const first = await host.pid();
      const whole = await readFile(host.script, "utf8");
      const cannot = insertedAt(whole, ["exec_end_old", "\texec_note_stopping"], 'mkdir -p "$end_file_.stopping"');
      const answers = await underLoad(host.port, async () => {
        await writeFile(host.script, cannot);
        const refused = await switchTo(host, "v2");
        assert.equal(refused.reason, "cannot-write", refused.evidence);
        assert.match(refused.evidence, new RegExp(`old pid ${first} still serves`));
        await undo(host, "v2");
        assert.equal(await host.pid(), first);
        await writeFile(host.script, whole);
        assert.equal((await host.task("switch", "do", { version: "v2", run: "again" })).exitCode, 0);
        await writeFile(host.script, cannot);
        await undo(host, "v2", "again");
      });
      assert.deepEqual(failures(answers), []);
      assert.deepEqual(await serviceProcesses(host), [await host.pid()]);
    }));
}

/** v1 committed, v2 built. */
async function twoVersions(host: PartsHost): Promise<void> {
  for (const version of ["v1", "v2"]) await host.installService(version);
  await commit(host, "v1");
}
