// A run that is taken back while it commits: what may have committed did not go back, whatever the undo steps say (P10).
import assert from "node:assert/strict";
import test from "node:test";
import type { Plan } from "../../../src/model/plan.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { TaskEvent } from "../../../src/model/task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { decide } from "../../../src/run/decide.ts";
import { leaveOutHeld } from "../../../src/run/leave-out-held.ts";
import { reduce } from "../../../src/run/machine.ts";
import { initialRunState, type RunState } from "../../../src/run/run-state.ts";
import { planInput } from "../../support/plan-input.ts";

const policy = { canaries: 0, batchSize: 2 };
const whole = makePlan(planInput({ components: { app: { hosts: ["h1", "h2"] } }, rollbackPolicy: "manual", policy }));
/** As of a run that brings to an end what an earlier one has left confirmed. */
const onlyCommits: Plan = { ...whole, steps: whole.steps.filter(({ kind }) => kind === "commit") };

/** What the run decides once it was taken back, after tasks that went so. */
function takenBack(
  plan: Plan,
  tasks: readonly (readonly [step: string, task: string, "do" | "undo", TaskEvent["state"]])[],
) {
  const steps = new Set(tasks.map(([step]) => step));
  const told = tasks.map(([step, task, action, state]): EventBody => {
    const event = { task, action, state, durationMs: 1, exitCode: 0, reason: "", evidence: "" } as const;
    return { kind: "task", step, host: task.split("/")[0] ?? "", event };
  });
  const events: EventBody[] = [
    { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] },
    ...[...steps].map((step): EventBody => ({ kind: "step-started", step })),
    ...told.filter((event) => event.kind === "task" && event.event.action === "do"),
    { kind: "rollback-started", scope: "release", reason: "not this one", by: "ada" },
    ...told.filter((event) => event.kind === "task" && event.event.action === "undo"),
    ...[...steps]
      .filter((step) => step.startsWith("rollback."))
      .map((step): EventBody => ({ kind: "step-ended", step })),
  ];
  const effect = decide(events.reduce((state, event) => reduce(state, event, "r1"), initialRunState));
  return effect?.kind === "end" ? [effect.outcome, effect.reason] : effect;
}

test("a run that only commits is not rolled back once a commit began", () => {
  assert.deepEqual(takenBack(onlyCommits, []), ["rolled-back", "not this one"]);
  for (const state of ["done", "failed", "running"] as const)
    assert.deepEqual(takenBack(onlyCommits, [["commit", "h2/app/commit", "do", state]]), [
      "stuck",
      "rollback: h2/app may have committed, which a release of the version before takes back",
    ]);
});

test("a commit that failed, and whose switch was undone, went back", () => {
  const [switched, failed, undone] = [
    ["switch.1", "h1/app/switch", "do", "done"],
    ["commit", "h1/app/commit", "do", "failed"],
    ["rollback.1", "h1/app/switch", "undo", "done"],
  ] as const;
  assert.deepEqual(takenBack(whole, [switched, failed, undone]), ["rolled-back", "not this one"]);
});

const on = (state: RunState, ...events: readonly EventBody[]) => events.reduce((before, event) => reduce(before, event, "r1"), state); // biome-ignore format: one line
const ended = (step: string, host: string, outcome: "done" | "unknown"): EventBody => ({ kind: "host-ended", step, host, outcome, evidence: "" }); // biome-ignore format: one line
const switched = (step: string, host: string, action: "do" | "undo"): EventBody => ({ kind: "task", step, host, event: { task: `${host}/app/switch`, action, state: "done", durationMs: 1, exitCode: 0, reason: "", evidence: "" } }); // biome-ignore format: one line

/** h1 went back, h2 fell silent before it did, and somebody holds it since; `told` of the switches of both before that. */
function backWithoutH2(...told: readonly EventBody[]) {
  const silent = on(
    initialRunState,
    { kind: "run-planned", commit: "c", generation: "g", plan: whole, epoch: 1, fleet: [] },
    { kind: "step-started", step: "switch.1" },
    ...told,
    { kind: "rollback-started", scope: "release", reason: "not this one", by: "ada" },
    { kind: "step-started", step: "rollback.1" },
    switched("rollback.1", "h1", "undo"),
    ended("rollback.1", "h1", "done"),
    ended("rollback.1", "h2", "unknown"),
  );
  assert.equal(decide(silent)?.kind, "wait");
  const held = on(silent, ...leaveOutHeld(silent, new Map([["h2", "burnt (ada)"]])), { kind: "step-ended", step: "rollback.1" }); // biome-ignore format: one line
  const effect = decide(held);
  return effect?.kind === "end" ? [effect.outcome, effect.reason] : effect;
}

test("a host that the way back went on without, and that may still be on the new version, did not go back (P7, P10)", () => {
  const stuck = ["stuck", "rollback: left out: h2, where what the run brought may still stand"];
  const first = [switched("switch.1", "h1", "do"), ended("switch.1", "h1", "done")];
  assert.deepEqual(backWithoutH2(...first, switched("switch.1", "h2", "do"), ended("switch.1", "h2", "done")), stuck);
  assert.deepEqual(backWithoutH2(...first, ended("switch.1", "h2", "unknown")), stuck, "it may have switched");
  assert.deepEqual(backWithoutH2(...first, { kind: "submitted", step: "switch.1", host: "h2" }), stuck);
  assert.deepEqual(backWithoutH2(...first), ["rolled-back", "not this one"], "nobody gave it the switch");
});
