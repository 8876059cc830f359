// What a run has committed no undo takes back, and none says that there was nothing to undo: its controller would call the host gone
// back (P7, P10).
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { describe } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { killedAt } from "../support/killed-at.ts";
import { inTurn } from "../support/shells.ts";

async function must(host: PartsHost, kind: string, version: string, run: string): Promise<string> {
  const done = await host.task(kind, "do", { version, run, session: kind === "switch" ? "a" : "b" });
  assert.equal(done.exitCode, 0, `${kind} ${version}: ${done.reason} ${done.evidence}`);
  return done.evidence;
}

async function release(host: PartsHost, version: string, run: string): Promise<void> {
  for (const kind of ["switch", "confirm", "commit"]) await must(host, kind, version, run);
}

/** v1 runs, and run r1 has confirmed v2 and was killed once its commit was decided and not written. The script that is killed no more. */
async function killAtCommit(host: PartsHost): Promise<string> {
  for (const version of ["v1", "v2"]) await host.install(version);
  await release(host, "v1", "r0");
  await must(host, "switch", "v2", "r1");
  await must(host, "confirm", "v2", "r1");
  const whole = await readFile(host.script, "utf8");
  await writeFile(host.script, killedAt(whole, ["task_commit_do", "\tcommit_write"]));
  assert.equal((await host.task("commit", "do", { version: "v2", run: "r1" })).exitCode, 137);
  return whole;
}

/** Its evidence, or the word and code of its failure. */
async function undo(host: PartsHost, version: string, run: string): Promise<string> {
  const { exitCode, reason, evidence } = await host.task("switch", "undo", { version, run });
  return exitCode === 0 ? evidence : `${exitCode} ${reason}: ${evidence}`;
}

const committed = (run: string, version: string) => new RegExp(`^66 committed: run ${run} has committed ${version}`);

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2 }, () => {
    test(`${name}: P10: the undo of a switch that its run committed fails, also while a later run's trial is in place`, () =>
      withPartsHost(shell, async (host) => {
        for (const version of ["v1", "v2", "v3"]) await host.install(version);
        await release(host, "v1", "r0");
        await release(host, "v2", "r1");
        for (const _ of [1, 2]) assert.match(await undo(host, "v2", "r1"), committed("r1", "v2"));
        assert.match(await undo(host, "v2", "other"), /nothing-to-undo/);
        assert.equal(await host.current(), "v2");

        await must(host, "switch", "v3", "r2");
        assert.match(await undo(host, "v2", "r1"), committed("r1", "v2"));
        assert.deepEqual([await host.current(), await host.trial()], ["v3", "armed"]);
        for (const _ of [1, 2]) assert.match(await undo(host, "v3", "r2"), /current=v2 was=v3/);
        assert.match(await undo(host, "v2", "r1"), committed("r1", "v2"));
        await must(host, "switch", "v3", "r3");
        assert.match(await undo(host, "v3", "r2"), /nothing-to-undo/, "it went back long ago");
        assert.deepEqual([await host.current(), await host.trial()], ["v3", "armed"]);
      }));

    test(`${name}: P10: a commit that was killed after it was decided counts, and is finished by the next one`, () =>
      withPartsHost(shell, async (host) => {
        const whole = await killAtCommit(host);
        await writeFile(host.script, whole);
        assert.equal(await host.trial(), "none");
        assert.match(await undo(host, "v2", "r1"), committed("r1", "v2"));
        assert.match(await must(host, "commit", "v2", "r1"), /committed=v2/);
        assert.match(await undo(host, "v2", "r1"), committed("r1", "v2"));
      }));

    test(`${name}: P7: an undo that looks while a commit goes from decided to written finds it`, () =>
      withPartsHost(shell, async (host) => {
        const whole = await killAtCommit(host);
        // Another process ends that commit between the two looks.
        const between = whole.replace(
          /(\nnot_committed\(\) \{[\s\S]*?)(\n\tdone\n)/,
          (_, looks, end) => `${looks}\n\t\t(task_commit_do) >/dev/null${end}`,
        );
        assert.notEqual(between, whole);
        await writeFile(host.script, between);
        assert.match(await undo(host, "v2", "r1"), committed("r1", "v2"));
        await writeFile(host.script, whole);
        await must(host, "commit", "v2", "r1");
        assert.match(await undo(host, "v2", "r1"), committed("r1", "v2"));
      }));

    test(`${name}: P10: an undo that a commit outruns fails; one of a trial that its own switch drops has nothing to undo`, () =>
      withPartsHost(shell, async (host) => {
        for (const version of ["v1", "v2"]) await host.install(version);
        await release(host, "v1", "r0");
        const whole = await readFile(host.script, "utf8");
        const meanwhile = async (what: string) =>
          writeFile(
            host.script,
            whole.replace("\ntrial_revert() {", (head) => `${head} ${what}\n`),
          );
        await must(host, "switch", "v2", "r1");
        // As the switch does it that sees the way back.
        await meanwhile("TO=v2 TRIAL_ID=$(trial_get web id); trial_drop;");
        assert.match(await undo(host, "v2", "r1"), /nothing-to-undo/);
        await writeFile(host.script, whole);
        await must(host, "switch", "v2", "r2"); // a hand pointed current there: it goes on trial like any other
        await must(host, "confirm", "v2", "r2");
        await meanwhile("trial_move web confirmed .committing;");
        assert.match(await undo(host, "v2", "r2"), committed("r2", "v2"));
        assert.equal(await host.current(), "v2");
      }));
  });
}
