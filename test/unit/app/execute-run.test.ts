// Taking up a run that waits for a person: nobody said anything, so nothing is written.
import assert from "node:assert/strict";
import { test } from "node:test";
import { resumeRun } from "../../../src/app/execute-run.ts";
import { openTrouble } from "../../../src/app/open-trouble.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { runStream } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController, sleptClock } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const components = { app: { hosts: ["h1", "h2"] } };
const plan = makePlan(planInput({ components, rollbackPolicy: "manual" }));

test("a run that waits for a decision is left as it stands, however often it is taken up, and its journal does not grow", async () => {
  const hosts = inProcessHosts({ fails: ({ id }) => (id === "h1/app/switch" ? "task-failed" : undefined) });
  const journal = memoryJournal();
  await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
  const kept = journal.kept.length;
  const context = { controller: { journal, clock: sleptClock() } } as unknown as Parameters<typeof resumeRun>[0];
  for (const pace of ["run", "by-hand"] as const) {
    const { waits, state } = await resumeRun({ ...context, pace }, run);
    assert.deepEqual([waits?.reason, state.pace], ["DecisionNeeded", "run"]);
  }
  assert.equal(journal.kept.length, kept);
});

test("a pass that can drive nothing ends nobody's stepping: the next word would go as far as nobody asked for (P12)", async () => {
  const hosts = inProcessHosts({ fails: ({ id }) => (id === "h1/app/switch" ? "task-failed" : undefined) });
  const journal = memoryJournal();
  await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
  const sequence = journal.kept.length + 1;
  await journal.append([{ stream: runStream(run), sequence, at: 1, kind: "run-resumed", epoch: 2, pace: "one-task" }]);
  const context = { controller: { journal, clock: sleptClock() } } as unknown as Parameters<typeof resumeRun>[0];
  for (const pace of ["run", "by-hand", "one-task"] as const)
    assert.equal((await resumeRun({ ...context, pace }, run)).state.pace, "one-task");
});

test("a run that waits for a silent host names what brings it on: a check drives nothing", async () => {
  const hosts = inProcessHosts({ loses: (host, moment, step) => host === "h1" && moment === "after submit" && step === "switch.1" }); // biome-ignore format: one line
  const state = await runController({ plan, journal: memoryJournal(), executor: hosts.executor, epoch: 1 });
  const trouble = openTrouble({ run, state });
  assert.deepEqual([trouble?.reason, trouble?.next], ["HostUnknown", "cutover reconcile --once, once it answers; cutover hold h1 --reason …, if it will not come back"]); // biome-ignore format: one line
});
