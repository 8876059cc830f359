// Who puts saved data back on the way back: the host, with a trial; the plan, where tasks ran and no trial may have begun (R17, P4).
import assert from "node:assert/strict";
import test from "node:test";
import type { Task, TaskState } from "../../../src/model/task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { makeRollback } from "../../../src/plan/make-rollback.ts";
import { planInput } from "../../support/plan-input.ts";

const convert = { name: "convert", at: "before-switch", scope: "host", hasUndo: false, canDryRun: false } as const;
const plan = makePlan(planInput({ components: { app: { hosts: ["h1"], backup: true, drain: true, tasks: [convert] } } })); // biome-ignore format: one line

/** What undoes the batch, after tasks that stand so; those left out are done. */
function undone(states: Readonly<Record<string, TaskState>>): string {
  const steps = makeRollback({
    steps: plan.steps,
    run: "r1",
    nth: 1,
    reason: "failed",
    inTraffic: false,
    stateOf: ({ id }) => states[id.split("/")[2] ?? ""] ?? "done",
  });
  return steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat().map(({ id }) => id.split("/")[2]))).join(" "); // biome-ignore format: one line
}

test("R17: data that a task may have changed is put back also where the switch failed before its trial, or nobody knows whether one began", () => {
  assert.equal(undone({ switch: "failed" }), "switch convert backup drain");
  assert.equal(undone({ switch: "unknown", convert: "running" }), "switch convert backup drain");
  assert.equal(undone({ switch: "pending", convert: "failed" }), "convert backup drain");
  assert.equal(undone({ switch: "undone" }), "convert backup drain");
});

test("R17: a trial that began puts it back by itself, and data of which nobody saw a task begin is left as it is (P4)", () => {
  assert.equal(undone({}), "switch convert drain");
  assert.equal(undone({ switch: "unknown", convert: "unknown" }), "switch convert drain");
  assert.equal(undone({ switch: "failed", convert: "pending" }), "switch drain");
  assert.equal(undone({ switch: "failed", backup: "pending" }), "switch convert drain");
});

test("R17: a way back of the whole run tells the host of its restore point with the switch, where that is a part of it and no undo of a task comes after it", () => {
  const optionsOf = (host: string, stateOf: (task: Pick<Task, "kind">) => TaskState) => {
    const point = { id: "r1.p1", parts: [{ host, component: "app" }] };
    const steps = makeRollback({ steps: plan.steps, run: "r1", nth: 1, reason: "failed", inTraffic: false, stateOf, point }); // biome-ignore format: one line
    const tasks = steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
    return tasks.map(({ kind, options }) => [kind, options.point]);
  };
  const noTask = ({ kind }: Pick<Task, "kind">): TaskState => (kind === "hook" ? "undone" : "done");
  assert.deepEqual(optionsOf("h1", noTask), [["switch", "r1.p1"], ["drain", undefined]]); // biome-ignore format: one line
  assert.deepEqual(optionsOf("h2", noTask), [["switch", undefined], ["drain", undefined]]); // biome-ignore format: one line
  const all = () => "done" as const;
  assert.deepEqual(optionsOf("h1", all), [["switch", undefined], ["hook", undefined], ["drain", undefined]], "what the task had kept would be put over the point"); // biome-ignore format: one line
});

test("R17: a task after the switch is undone before it, and is in the way of no restore point", () => {
  const probe = { ...convert, name: "probe", at: "after-switch" } as const;
  const { steps } = makePlan(planInput({ components: { app: { hosts: ["h1"], backup: true, tasks: [probe] } } }));
  const point = { id: "r1.p1", parts: [{ host: "h1", component: "app" }] };
  const back = makeRollback({ steps, run: "r1", nth: 1, reason: "failed", inTraffic: false, stateOf: () => "done", point }); // biome-ignore format: one line
  const tasks = back.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  assert.deepEqual(tasks.map(({ kind, options }) => [kind, options.point]), [["hook", undefined], ["switch", "r1.p1"]]); // biome-ignore format: one line
});
