// P9 over the runs of one release, in one pass: what paused for another run goes on when that is over.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Controller } from "../../../src/app/controller.ts";
import { noWork, type PassContext, takeUpRuns } from "../../../src/app/pass.ts";
import { allRounds } from "../../../src/app/reconcile.ts";
import type { Desired } from "../../../src/model/desired.ts";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import { runStream } from "../../../src/run/replay.ts";
import { memoryJournal } from "../../support/engine.ts";
import { poolOver, runOf } from "../../support/pool-over.ts";

/** Two runs that an earlier controller left open: h1 of the first fails its switch, and goes back while the second one pauses. */
async function twoLeft() {
  const journal = memoryJournal();
  const policy = { canaries: 0, batchSize: "100%", failureBudget: 0 } as const;
  for (const [run, component, host] of [
    ["ra", "a", "h1"],
    ["rb", "b", "h4"],
  ] as const) {
    const planned = runOf(component, [host], { policy });
    const plan = { ...planned.plan, release: "shop" };
    await journal.append([
      { ...planned, plan, commit: "c".repeat(40), stream: runStream(run), sequence: 1, at: 1, kind: "run-planned", epoch: 1 }, // biome-ignore format: one line
    ]);
  }
  const failed = Promise.withResolvers<void>();
  const paused = Promise.withResolvers<void>();
  const { controller, pool, hosts, events } = await poolOver(
    {
      fails: ({ id, action }) => (id === "h1/a/switch" && action === "do" ? "task-failed" : undefined),
      async gate(host, step) {
        if (host === "h4" && step === "check") await failed.promise;
        if (host === "h1" && step.startsWith("rollback.")) await paused.promise;
      },
    },
    { journal },
  );
  const isFailed = (event: JournalEvent) => event.kind === "host-ended" && event.outcome === "failed";
  const isPaused = () => pool.open().some(({ run, state }) => run === "rb" && state === "waiting");
  const watch = async () => {
    while (!events.some(isFailed)) await new Promise((done) => setImmediate(done));
    failed.resolve();
    while (!isPaused()) await new Promise((done) => setImmediate(done));
    paused.resolve();
  };
  const controls = {
    ...controller,
    settings: { ...controller.settings, firstTrust: {} },
    executor: { ...hosts.executor, probe: async () => ({ kind: "unreachable", message: "not asked" }) },
    signer: { sign: async () => "signature" },
    notes: { publish: async () => undefined },
  } as unknown as Controller;
  const context = {
    ...{ controller: controls, pool, signal: new AbortController().signal, newest: { desired: undefined } },
    ...{ lease: { holder: "me", epoch: 1, ttlMs: 1, object: "o" }, onFinished() {} },
  } as unknown as PassContext;
  const work = noWork();
  await takeUpRuns(context, work);
  const desired = { commit: "c".repeat(40), generation: "g", hosts: [], releases: [] } as unknown as Desired;
  return { context, work, desired, watch, hosts };
}

test("P9: a run that paused for another one goes on in the same pass once that has gone back, and is told of as it stands then", async () => {
  const { context, work, desired, watch, hosts } = await twoLeft();
  const [pass] = await Promise.all([allRounds(context, work, { desired, warnings: [] }), watch()]);
  assert.deepEqual(
    pass.resumed.map(({ run, state }) => [run, state.outcome]),
    [
      ["ra", "rolled-back"],
      ["rb", "done"],
    ],
  );
  assert.equal(hosts.ran.filter((line) => line.endsWith("h4/b/switch do")).length, 1);
});

test("P12: not where somebody asked for one task", async () => {
  const { context, work, desired, watch } = await twoLeft();
  const [pass] = await Promise.all([allRounds(context, work, { desired, warnings: [], pace: "one-task" }), watch()]);
  assert.deepEqual(
    pass.resumed.map(({ state }) => state.outcome),
    ["rolled-back", undefined],
  );
});
