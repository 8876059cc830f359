// `cutover rollback` of several open runs of a release, of which one cannot be turned round: what goes back is told of.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Controller } from "../../../src/app/controller.ts";
import type { RunSources } from "../../../src/app/make-deliveries.ts";
import { beginRollBack } from "../../../src/app/roll-back.ts";
import { saidOf } from "../../../src/app/rolled-back.ts";
import { openRunPool } from "../../../src/app/run-pool.ts";
import { CutoverError } from "../../../src/errors.ts";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import type { JournalPort } from "../../../src/ports.ts";
import { memoryJournal, sleptClock } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { fleetOf, planInput } from "../../support/plan-input.ts";

const full = new CutoverError({ code: "journal-failed", message: "the disk is full" });

/** Two runs of one release wait for a person; the journal takes no way back of those that `refuses` names, in the order of their start. */
async function twoOpenRuns(refuses: readonly number[]) {
  const kept = memoryJournal();
  const runs: string[] = [];
  const isRefused = ({ kind, stream }: JournalEvent) =>
    kind === "rollback-started" && refuses.some((index) => stream === `run/${runs[index]}`);
  const journal: JournalPort = {
    ...kept,
    async append(events) {
      if (events.some(isRefused)) throw full;
      return kept.append(events);
    },
  };
  const { executor } = inProcessHosts({ fails: ({ id, action }) => (id.endsWith("/switch") && action === "do" ? "task-failed" : undefined) }); // biome-ignore format: one line
  const settings = { concurrency: 4, patienceMs: 1_000, firstTrust: {} };
  const controller = { journal, clock: sleptClock(), executor, settings } as unknown as Controller;
  const context = {
    controller,
    lease: { holder: "me", epoch: 1, ttlMs: 1, object: "o" },
    watcher: { onEvent() {}, onBytes() {} },
    signal: new AbortController().signal,
  };
  // What git is told of it is not asked here.
  const pool = { ...(await openRunPool(context)), publishing: async () => undefined as never };
  for (const component of ["a", "b"]) {
    const made = makePlan(planInput({ components: { [component]: { hosts: [`h-${component}`] } }, rollbackPolicy: "manual" })); // biome-ignore format: one line
    const plan = { ...made, release: "shop", steps: made.steps.filter(({ kind }) => kind !== "distribute") };
    const planned = { plan, commit: "c", generation: "g", fleet: fleetOf([`h-${component}`]) };
    const driven = pool.start(planned, {} as RunSources);
    runs.push(driven.run);
    await driven.ended;
  }
  return { input: { ...context, pool, by: "ann", reason: "slow" }, runs, kept };
}

test("of two open runs one cannot be turned round: the other goes back, and the answer names both", async () => {
  const { input, runs, kept } = await twoOpenRuns([0]);
  const begun = await beginRollBack(input);
  assert.equal(begun.run, runs[1]);
  const { outcome, reason } = saidOf(await begun.ended);
  assert.equal(outcome, "stuck");
  assert.equal(
    reason,
    `${runs[1]} rolled-back: slow; ${runs[0]} does not go back: the disk is full; the same request again takes that back`,
  );
  const back = kept.kept.filter(({ kind }) => kind === "rollback-started").map(({ stream }) => stream);
  assert.deepEqual(back, [`run/${runs[1]}`]);
});

test("where none goes back it is refused, and with both it went well", async () => {
  const neither = await twoOpenRuns([0, 1]);
  await assert.rejects(beginRollBack(neither.input), { code: "journal-failed" });
  const both = await twoOpenRuns([]);
  const { ended } = await beginRollBack(both.input);
  assert.deepEqual(saidOf(await ended), { outcome: "rolled-back", reason: "slow" });
});
