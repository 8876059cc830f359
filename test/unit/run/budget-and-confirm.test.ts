// What becomes of a batch when one of it is confirmed before the others have begun, and that does not go well.
import assert from "node:assert/strict";
import test from "node:test";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { memoryJournal, runController } from "../../support/engine.ts";
import { type HostScript, inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

/** Four hosts in one batch, two at once; h2 and h3 are at work until this holds of the journal. */
function whileAtWork(until: (kept: JournalEvent[]) => boolean, script: HostScript = {}) {
  const four = makePlan(
    planInput({
      components: { app: { hosts: ["h1", "h2", "h3", "h4"] } },
      policy: { canaries: 0, batchSize: "100%" },
    }),
  );
  const journal = memoryJournal();
  const over = Promise.withResolvers<void>();
  const hosts = inProcessHosts({
    gate: async (host, step) => {
      if (step === "switch.1" && (host === "h2" || host === "h3")) await over.promise;
    },
    ...script,
  });
  const onEvent = () => {
    if (until(journal.kept)) over.resolve();
  };
  const one = { plan: four, journal, executor: hosts.executor, epoch: 1, more: { onEvent, concurrency: 2 } };
  const switched = () => ["h1", "h2", "h3", "h4"].filter((host) => hosts.ran.includes(`${host} r1 switch.1 ${host}/app/switch do`)); // biome-ignore format: one line
  return { one, hosts, switched };
}

const endedIn = (step: string, host: string, outcome: string) => (kept: readonly JournalEvent[]) =>
  kept.some(
    (event) => event.kind === "host-ended" && event.step === step && event.host === host && event.outcome === outcome,
  );

test("P9: within a batch no further host switches once one that was confirmed early has failed at it", async () => {
  const { one, hosts, switched } = whileAtWork(endedIn("confirm.1", "h1", "failed"), {
    fails: ({ id }) => (id === "h1/app/confirm" ? "deadline-passed" : undefined),
  });
  const ended = await runController(one);
  assert.equal(ended.outcome, "rolled-back");
  assert.match(ended.reason, /^confirm\.1 failed on h1/);
  assert.deepEqual(switched(), ["h1", "h2", "h3"], "h4 had not begun");
  assert.deepEqual([...hosts.versions.keys()], []);
});

test("P7, P9: nor while one is silent at it; those that did switch are confirmed (P8), and the batch goes on when it answers", async () => {
  const { one, hosts, switched } = whileAtWork(endedIn("confirm.1", "h1", "unknown"), {
    loses: (host, _moment, step) => host === "h1" && step === "confirm.1",
  });
  const waiting = await runController(one);
  assert.equal(waiting.outcome, undefined);
  assert.deepEqual(switched(), ["h1", "h2", "h3"], "h4 had not begun");
  assert.deepEqual(
    ["h1", "h2", "h3", "h4"].map((host) => waiting.hosts.get(`confirm.1/${host}`)),
    ["unknown", "done", "done", undefined],
  );
  hosts.script = {};
  const ended = await runController({ ...one, epoch: 2 });
  assert.equal(ended.outcome, "done");
  assert.equal(hosts.committed.size, 4);
  assert.equal(new Set(hosts.ran).size, hosts.ran.length, "nothing ran twice");
});

test("P8: under rollback_policy manual too, those that did switch are confirmed before a person is waited for", async () => {
  const { one, switched } = whileAtWork(endedIn("confirm.1", "h1", "failed"), {
    fails: ({ id }) => (id === "h1/app/confirm" ? "deadline-passed" : undefined),
  });
  const held = await runController({ ...one, plan: { ...one.plan, rollbackPolicy: "manual" } });
  assert.equal(held.outcome, undefined);
  assert.deepEqual(switched(), ["h1", "h2", "h3"]);
  assert.deepEqual(
    ["h2", "h3"].map((host) => held.hosts.get(`confirm.1/${host}`)),
    ["done", "done"],
  );
});

test("the budget counts those that are not confirmed as well: one of them may be bad where it allows one (P9)", async () => {
  const { one, switched } = whileAtWork(endedIn("confirm.1", "h1", "failed"), {
    fails: ({ id }) => (id === "h1/app/confirm" ? "deadline-passed" : undefined),
  });
  const ended = await runController({ ...one, plan: { ...one.plan, failureBudget: 1 } });
  assert.equal(ended.outcome, "rolled-back");
  assert.deepEqual(switched(), ["h1", "h2", "h3", "h4"]);
});
