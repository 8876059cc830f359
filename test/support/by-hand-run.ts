// A run in the middle of its only batch, and what people run and undo by hand in it, as journals have it.
import assert from "node:assert/strict";
import { digestOf } from "../../src/model/digest.ts";
import type { Step } from "../../src/model/plan.ts";
import type { EventBody } from "../../src/model/run-event.ts";
import type { Task, TaskEvent } from "../../src/model/task.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { leftOfStep } from "../../src/run/by-hand.ts";
import { decide } from "../../src/run/decide.ts";
import { reduce } from "../../src/run/machine.ts";
import { initialRunState, isMissingOn, type RunState } from "../../src/run/run-state.ts";
import { planInput } from "./plan-input.ts";

const hook = { name: "convert", at: "before-switch", scope: "host", hasUndo: true, canDryRun: true } as const;
const after = { ...hook, name: "probe", at: "after-switch" } as const;
export const plan = makePlan(
  planInput({ components: { app: { hosts: ["h1"], tasks: [hook, after], drain: true } }, rollbackPolicy: "manual" }),
);
function batchOf(): Step {
  const found = plan.steps.find(({ id }) => id === "switch.1");
  assert.ok(found);
  return found;
}
export const batch = batchOf();
const [work] = batch.work;
assert.ok(work);
export const tasks = work.groups.flat();
const keyOf = ({ id, action }: Task) => `${id} ${action}`;

export const said = (step: string, task: Task, state: TaskEvent["state"], reason = "-"): EventBody => ({
  kind: "task",
  step,
  host: "h1",
  event: { task: task.id, action: task.action, state, reason, evidence: "", durationMs: 1, exitCode: 0 },
});
export const turn = (number: number, todo: readonly Task[], rest: readonly Task[]): EventBody => ({
  kind: "host-reopened",
  step: "switch.1",
  host: "h1",
  turn: number,
  tasks: todo.map(keyOf),
  rest: rest.map(keyOf),
  by: "cutover",
  reason: "",
});
export const ended = (outcome: "done" | "failed" | "unknown", step = "switch.1"): EventBody => ({ kind: "host-ended", step, host: "h1", outcome, evidence: "" }); // biome-ignore format: one line

let hands = 0;
/** All that is journaled of one task that is run by hand. */
export function byHand(task: Task, action: "do" | "undo"): EventBody[] {
  hands += 1;
  const id = `by-hand.${hands}`;
  const own = { ...task, action };
  const step = { id, kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h1", groups: [[own]] }] } as const; // biome-ignore format: one line
  return [
    { kind: "step-added", step, by: "ann", reason: "look" },
    { kind: "step-started", step: id },
    said(id, own, "done"),
    { kind: "host-ended", step: id, host: "h1", outcome: "done", evidence: "" },
    { kind: "step-ended", step: id },
  ] as EventBody[];
}

const ahead = plan.steps.slice(0, plan.steps.indexOf(batch));
/** What a journal has up to the middle of `switch.1`. */
export const begun: readonly EventBody[] = [
  { kind: "run-planned", commit: "c", generation: digestOf("g"), plan, epoch: 1, fleet: [] } as unknown as EventBody,
  ...ahead.flatMap(
    ({ id }) =>
      [
        { kind: "step-started", step: id },
        { kind: "step-ended", step: id },
      ] as EventBody[],
  ),
  { kind: "step-started", step: "switch.1" },
];
/** In the middle of `switch.1`, with everything before it done. */
export function inBatch(...events: readonly EventBody[]): RunState {
  return on(initialRunState, ...begun, ...events);
}
export const leftAfter = (events: readonly EventBody[]) => leftOfStep(inBatch(...events), batch, "h1");
/** What comes next, and how h1 is in `switch.1`. */
export const standsAt = (state: RunState) => {
  const effect = decide(state);
  return [effect?.kind, isMissingOn(state, "switch.1", "h1") ? "missing" : state.hosts.get("switch.1/h1")];
};

/** One that did not end well: `submitted` says whether the host has it, `word` what it told of the task. */
export function badly(
  task: Task,
  action: "do" | "undo",
  { word, outcome = "failed", isSubmitted = true }: Bad = {},
): EventBody[] {
  const [added, started] = byHand(task, action);
  assert.ok(added?.kind === "step-added" && started);
  const { id } = added.step;
  return [
    added,
    started,
    ...(isSubmitted ? [{ kind: "submitted", step: id, host: "h1" } as const] : []),
    ...(word === undefined ? [] : [said(id, { ...task, action }, word)]),
    { kind: "host-ended", step: id, host: "h1", outcome, evidence: "" },
    // One of which nobody knows is read back first.
    ...(outcome === "unknown" ? [] : [{ kind: "step-ended", step: id } as const]),
  ];
}
export interface Bad {
  readonly word?: "failed" | "skipped";
  readonly outcome?: "failed" | "unknown";
  readonly isSubmitted?: boolean;
}

export const on = (state: RunState, ...events: readonly EventBody[]): RunState => events.reduce((now, event) => reduce(now, event, "r1"), state); // biome-ignore format: one line
/** All of the batch is done. */
export const whole: readonly EventBody[] = [{ kind: "submitted", step: "switch.1", host: "h1" }, ...tasks.map((task) => said("switch.1", task, "done")), ended("done")]; // biome-ignore format: one line

function taskOf(name: string): Task {
  const found = tasks.find(({ id }) => id === `h1/app/${name}`);
  assert.ok(found);
  return found;
}
export const [convert, change, drain, probe] = [taskOf("convert"), taskOf("switch"), taskOf("drain"), taskOf("probe")];
