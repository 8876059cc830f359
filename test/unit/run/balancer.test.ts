// A run that takes hosts out of traffic: whoever is not well, or not known to be, gets none, whichever way the run goes.
import assert from "node:assert/strict";
import test from "node:test";
import type { Plan, Step } from "../../../src/model/plan.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { Task } from "../../../src/model/task.ts";
import { targetOf } from "../../../src/plan/balancer-steps.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { decide } from "../../../src/run/decide.ts";
import type { Effect } from "../../../src/run/effect.ts";
import { reduce } from "../../../src/run/machine.ts";
import { initialRunState, type RunState } from "../../../src/run/run-state.ts";
import { planInput } from "../../support/plan-input.ts";

const run = "r1";

function planWith(
  policy: { batchSize: number; failureBudget?: number },
  rollbackPolicy: Plan["rollbackPolicy"] = "auto",
): Plan {
  const out = { name: "out", scope: "host", hasUndo: true, canDryRun: false } as const;
  const world = {
    components: {
      web: { hosts: ["w1", "w2", "w3", "w4"], balancer: "pool/out" },
      pool: { hosts: ["lb"], version: "1.0.0", tasks: [out] },
    },
    ...{ policy: { canaries: 0, ...policy }, rollbackPolicy },
  };
  const fleet = ["w1", "w2", "w3", "w4", "lb"].map((name) => ({ name, address: name, components: name === "lb" ? ["pool"] : ["web"] })); // biome-ignore format: one line
  return makePlan({ ...planInput(world), fleet });
}

type Report = "done" | "failed" | "unknown";

interface Told {
  /** `-w1` and `+w1` where it left traffic and came back, `w1` and `undo w1` where it switched. */
  readonly story: readonly string[];
  readonly last: Effect | undefined;
  readonly state: RunState;
}

/** Plays the run; hosts report as told, all tasks before the failing one are done. Ends with a wait or a hold. */
function play(plan: Plan, report: (step: Step, host: string) => Report = () => "done"): Told {
  const story: string[] = [];
  let state = initialRunState;
  const happen = (event: EventBody) => {
    state = reduce(state, event, run);
  };
  happen({ kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] });
  for (let turn = 0, effect = decide(state); effect !== undefined && turn < 500; effect = decide(state), turn += 1) {
    if (effect.kind === "start-step") happen({ kind: "step-started", step: effect.step.id });
    else if (effect.kind === "end-step") happen({ kind: "step-ended", step: effect.step.id });
    else if (effect.kind === "end") happen({ kind: "run-ended", outcome: effect.outcome, reason: effect.reason });
    else if (effect.kind === "roll-back")
      happen({
        kind: "rollback-started",
        scope: effect.scope,
        step: effect.step,
        reason: effect.reason,
        by: "cutover",
      });
    else if (effect.kind === "leave-out")
      for (const host of effect.hosts)
        happen({ kind: "host-left-out", step: effect.step.id, host, reason: effect.reason });
    else if (effect.kind === "run-step")
      for (const host of effect.hosts) {
        const said = report(effect.step, host);
        const tasks = effect.step.work.find((work) => work.host === host)?.groups.flat() ?? [];
        if (said !== "unknown")
          for (const task of tasks) {
            story.push(...wordOf(task));
            const event = { task: task.id, action: task.action, state: said, durationMs: 1, exitCode: 0, reason: "", evidence: "" }; // biome-ignore format: one line
            happen({ kind: "task", step: effect.step.id, host, event });
          }
        happen({ kind: "submitted", step: effect.step.id, host });
        happen({ kind: "host-ended", step: effect.step.id, host, outcome: said, evidence: "" });
      }
    else return { story, last: effect, state };
  }
  return { story, last: undefined, state };
}

function wordOf(task: Task): string[] {
  const target = targetOf(task);
  if (target !== undefined) return [`${task.action === "do" ? "-" : "+"}${target}`];
  return task.kind === "switch" ? [`${task.action === "do" ? "" : "undo "}${task.host}`] : [];
}

test("hosts leave traffic before they switch and come back after it, batch by batch", () => {
  const { story, state } = play(planWith({ batchSize: 2 }));
  assert.deepEqual(story, ["-w1", "-w2", "w1", "w2", "+w1", "+w2", "-w3", "-w4", "w3", "w4", "+w3", "+w4"]);
  assert.equal(state.outcome, "done");
});

test("a host that is not confirmed goes back without having had traffic: it may revert by itself at any time", () => {
  const { story } = play(planWith({ batchSize: 2 }), (step, host) => (step.id === "confirm.1" && host === "w2" ? "failed" : "done")); // biome-ignore format: one line
  assert.deepEqual(story, ["-w1", "-w2", "w1", "w2", "undo w1", "undo w2", "+w1", "+w2"]);
});

test("a switch that fails is taken back while its batch is still away; only then it gets traffic", () => {
  const { story, state } = play(planWith({ batchSize: 2 }), (step, host) => (step.id === "switch.1" && host === "w2" ? "failed" : "done")); // biome-ignore format: one line
  assert.deepEqual(story, ["-w1", "-w2", "w1", "w2", "undo w1", "undo w2", "+w1", "+w2"]);
  assert.equal(state.outcome, "rolled-back");
});

test("hosts that are in traffic again leave it before they are taken back", () => {
  const failed = play(planWith({ batchSize: 2 }), (step) => (step.id === "back.1" ? "failed" : "done"));
  assert.deepEqual(failed.story, [
    "-w1",
    "-w2",
    "w1",
    "w2",
    "+w1",
    "+w2",
    "-w1",
    "-w2",
    "undo w1",
    "undo w2",
    "+w1",
    "+w2",
  ]);
  const all = play(planWith({ batchSize: 2 }, "release"), (step) => (step.id === "switch.2" ? "failed" : "done"));
  assert.deepEqual(all.story.slice(10), ["undo w3", "undo w4", "+w3", "+w4", "-w1", "-w2", "undo w1", "undo w2", "+w1", "+w2"]); // biome-ignore format: one line
  assert.equal(all.state.outcome, "rolled-back");
});

test("a host whose way back fails stays out of traffic, and the others of its batch come back to it (P9)", () => {
  const { story, state } = play(planWith({ batchSize: 2 }), (step, host) =>
    (step.id === "switch.1" || step.id === "rollback.1") && host === "w2" ? "failed" : "done",
  );
  assert.deepEqual(story, ["-w1", "-w2", "w1", "w2", "undo w1", "undo w2", "+w1"]);
  assert.equal(state.outcome, "stuck");
  assert.match(state.reason, /^rollback: rollback\.1 failed on w2; kept out of traffic$/);
});

test("a host that falls silent in its switch and is left out gets no traffic; one that was left out before keeps it", () => {
  const budget = { batchSize: 2, failureBudget: 1 };
  const during = play(planWith(budget), (step, host) => (step.id === "switch.1" && host === "w2" ? "unknown" : "done"));
  assert.deepEqual(during.story.slice(0, 4), ["-w1", "-w2", "w1", "+w1"]);
  assert.equal(during.state.reason, "left out: w2; every other host read back; out of traffic: w2");
  const before = play(planWith(budget), (step, host) => (step.id === "check" && host === "w2" ? "unknown" : "done"));
  assert.ok(!before.story.some((word) => word.endsWith("w2")), before.story.join(" "));
  assert.deepEqual([before.state.outcome, before.state.reason], ["stuck", "left out: w2; every other host read back"]);
});

test("a run that waits for a person says who has no traffic meanwhile", () => {
  const told = (failing: string) =>
    play(planWith({ batchSize: 2 }, "manual"), (step, host) =>
      step.id === failing && (host === "w2" || host === "lb") ? "failed" : "done",
    ).last;
  for (const [step, reason] of [
    ["away.1", "away.1 failed on lb; rollback_policy is manual; out of traffic: w1, w2"],
    ["switch.1", "switch.1 failed on w2; rollback_policy is manual; out of traffic: w1, w2"],
    ["confirm.1", "confirm.1 failed on w2; rollback_policy is manual; out of traffic: w1, w2"],
    ["commit", "commit failed on w2; rollback_policy is manual"],
  ] as const) {
    const last = told(step);
    assert.deepEqual([last?.kind, last?.kind === "hold" ? last.reason : undefined], ["hold", reason]);
  }
});

test("a balancer that does not answer is waited for, whatever the budget says (P7)", () => {
  for (const id of ["away.1", "back.1"]) {
    const { last, story } = play(planWith({ batchSize: 2, failureBudget: 3 }), (step) =>
      step.id === id ? "unknown" : "done",
    );
    assert.ok(last?.kind === "wait" && last.step.id === id, JSON.stringify(last));
    assert.equal(story.includes("w1"), id === "back.1");
  }
});

test("a balancer that cannot take hosts out ends the batch before anything switched", () => {
  const { story, state } = play(planWith({ batchSize: 2 }), (step) => (step.id === "away.1" ? "failed" : "done"));
  assert.deepEqual(story, ["-w1", "-w2", "+w1", "+w2"]);
  assert.deepEqual([state.outcome, [...state.quarantined]], ["rolled-back", []]);
});
