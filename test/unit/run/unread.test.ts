// What a person ran by hand on one host, and nobody has read back, keeps that host, and nothing else.
import assert from "node:assert/strict";
import test from "node:test";
import type { RollbackPolicy } from "../../../src/model/plan.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { Task } from "../../../src/model/task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { stepAtWork } from "../../../src/run/at-work.ts";
import { decide } from "../../../src/run/decide.ts";
import { leaveOutHeld } from "../../../src/run/leave-out-held.ts";
import { reduce } from "../../../src/run/machine.ts";
import { initialRunState, type RunState } from "../../../src/run/run-state.ts";
import { readBacksByHand } from "../../../src/run/unread.ts";
import { planInput } from "../../support/plan-input.ts";
import { isBad, play } from "../../support/play-balanced-run.ts";

const hook = { name: "convert", at: "before-switch", scope: "host", hasUndo: true, canDryRun: true } as const;
const planOf = (batchSize: number, rollbackPolicy: RollbackPolicy) => makePlan(planInput({ components: { app: { hosts: ["h1", "h2", "h3"], tasks: [hook] } }, policy: { canaries: 0, batchSize }, rollbackPolicy })); // biome-ignore format: one line
const on = (state: RunState, ...events: readonly EventBody[]) => events.reduce((now, event) => reduce(now, event, "r1"), state); // biome-ignore format: one line
/** Until the first event of that kind in that step, it included. */
function until(events: readonly EventBody[], kind: EventBody["kind"], step: string): RunState {
  const at = events.findIndex((event) => event.kind === kind && "step" in event && event.step === step);
  assert.ok(at !== -1);
  return on(initialRunState, ...events.slice(0, at + 1));
}
function taskIn({ plan }: RunState, step: string, id: string): Task {
  const found = plan?.steps.find((each) => each.id === step)?.work.flatMap(({ groups }) => groups.flat()).find((task) => task.id === id); // biome-ignore format: one line
  assert.ok(found);
  return found;
}
/** Asked for, and its answer was lost. */
function lost(task: Task): EventBody[] {
  const { host } = task;
  const step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host, groups: [[task]] }] } as const; // biome-ignore format: one line
  return [
    { kind: "step-added", step, by: "ann", reason: "-" },
    { kind: "step-started", step: step.id },
    { kind: "host-ended", step: step.id, host, outcome: "unknown", evidence: "" },
  ];
}
const next = (state: RunState) => {
  const effect = decide(state);
  const step = effect !== undefined && "step" in effect && typeof effect.step === "object" ? effect.step.id : undefined;
  return [effect?.kind, step, effect !== undefined && "hosts" in effect ? effect.hosts : undefined];
};

test("another host's trial that was handed over is read back, and a batch that failed goes back (P7, P8, P9)", () => {
  const trial = until(play(planOf(1, "auto")).events, "submitted", "switch.2");
  const beside = on(trial, ...lost(taskIn(trial, "switch.3", "h3/app/convert")));
  assert.deepEqual(next(beside), ["run-step", "switch.2", ["h2"]]);
  const { events } = play(planOf(2, "auto"), isBad("switch.1", "h1"));
  const failed = on(
    initialRunState,
    ...events.slice(
      0,
      events.findIndex(({ kind }) => kind === "rollback-started"),
    ),
  );
  assert.equal(decide(on(failed, ...lost(taskIn(failed, "switch.2", "h3/app/convert"))))?.kind, "roll-back");
});

test("its own host is handed nothing more, and the run waits for it when nothing else is left (P7)", () => {
  const { events } = play(planOf(1, "auto"));
  const third = until(events, "step-started", "switch.3");
  const state = on(third, ...lost(taskIn(third, "switch.3", "h3/app/convert")));
  assert.deepEqual(next(state), ["wait", "by-hand.1", ["h3"]]);
  assert.deepEqual(leaveOutHeld(state, new Map([["h3", "burnt"]])).map(({ kind }) => kind), ["host-left-out"]); // biome-ignore format: one line
  const last = until(events, "step-ended", "commit");
  assert.equal(decide(on(last, ...lost(taskIn(last, "switch.1", "h1/app/convert"))))?.kind === "end", false);
});

test("what only looks, and a dry run, hold up nothing", () => {
  const state = until(play(planOf(1, "auto")).events, "step-started", "switch.3");
  const dry: Task = { ...taskIn(state, "switch.3", "h3/app/convert"), options: { name: "convert", "dry-run": "yes" } };
  for (const task of [dry, taskIn(state, "check", "h3/app/check")]) {
    const told = on(state, ...lost(task));
    assert.deepEqual([readBacksByHand(told), decide(told)?.kind], [[], "end-step"]);
  }
});

test("where the run goes on without the host, further tasks may be asked for there", () => {
  const state = until(play(planOf(1, "auto")).events, "step-ended", "switch.1");
  const out = on(state, ...lost(taskIn(state, "switch.3", "h3/app/convert")), { kind: "host-left-out", step: "by-hand.1", host: "h3", reason: "-" }); // biome-ignore format: one line
  assert.deepEqual(next(out), ["end-step", "by-hand.1", undefined]);
  assert.equal(stepAtWork(on(out, { kind: "step-ended", step: "by-hand.1" }), "h3"), undefined);
});

test("what is in flight in a later batch is read back while an earlier one waits for a person (P8)", () => {
  const trial = until(play(planOf(1, "manual")).events, "submitted", "switch.2");
  const task = taskIn(trial, "switch.1", "h1/app/convert");
  const step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h1", groups: [[{ ...task, action: "undo" }]] }] } as const; // biome-ignore format: one line
  const event = { task: task.id, action: "undo", state: "done", reason: "-", evidence: "", durationMs: 1, exitCode: 0 } as const; // biome-ignore format: one line
  const undone = on(trial, { kind: "step-added", step, by: "ann", reason: "-" }, { kind: "step-started", step: step.id }, { kind: "task", step: step.id, host: "h1", event }, { kind: "host-ended", step: step.id, host: "h1", outcome: "done", evidence: "" }, { kind: "step-ended", step: step.id }); // biome-ignore format: one line
  assert.deepEqual(next(undone), ["run-step", "switch.2", ["h2"]]);
});

test("a held host of which nobody knows how the plan's own step ended is left out also while a person decides about another one (P7)", () => {
  const { events } = play(planOf(2, "manual"), isBad("switch.1", "h1"));
  const failed = events.findIndex((event) => event.kind === "host-ended" && event.step === "switch.1" && event.host === "h1"); // biome-ignore format: one line
  const state = on(initialRunState, ...events.slice(0, failed + 1).filter((event) => !("host" in event && event.host === "h2" && "step" in event && event.step === "switch.1")), { kind: "submitted", step: "switch.1", host: "h2" }, { kind: "host-ended", step: "switch.1", host: "h2", outcome: "unknown", evidence: "" }); // biome-ignore format: one line
  assert.deepEqual(next(state), ["hold", "switch.1", ["h1"]]);
  const said = leaveOutHeld(state, new Map([["h2", "burnt"]]));
  assert.deepEqual(said, [{ kind: "host-left-out", step: "switch.1", host: "h2", reason: "burnt" }]);
  assert.deepEqual(next(on(state, ...said)), ["hold", "switch.1", ["h1"]], "the person's decision stays theirs");
  assert.deepEqual(
    leaveOutHeld(state, new Map([["h1", "burnt"]])),
    [],
    "what failed and answers is a person's to decide",
  );
});
