// Which task of which version was asked for by hand: in a step of an open run, behind what brings its version, or in a run of its own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { reportAsked } from "../../../src/app/tasks/asked-task.ts";
import type { Plan, Step } from "../../../src/model/plan.ts";
import type { Task } from "../../../src/model/task.ts";
import { hookTask, makeTask } from "../../../src/plan/host-tasks.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { initialRunState } from "../../../src/run/run-state.ts";
import { planInput } from "../../support/plan-input.ts";

const plan = makePlan(planInput({ components: { app: { hosts: ["h1"] } } }));

function stepOf(id: string, version: string, options: Task["options"] = {}): Step {
  const place = { host: "h1", component: "app", to: version };
  const hook = hookTask(place, { name: "convert" });
  const groups = [[makeTask(place, "distribute")], [makeTask(place, "build")], [{ ...hook, options }]];
  return { id, kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h1", groups }] };
}

test("in an open run it is the one of the step that was asked for, of whichever version", () => {
  const added = [stepOf("by-hand.1", "2.0.0"), stepOf("by-hand.2", "3.0.0", { "dry-run": "yes" })];
  const state = { ...initialRunState, plan, added };
  const told = { id: "h1/app/convert", action: "do" };
  assert.deepEqual(reportAsked({ run: "r1", state, asked: "by-hand.1/h1" }), { ...told, version: "2.0.0", isDry: false }); // biome-ignore format: one line
  assert.deepEqual(reportAsked({ run: "r1", state, asked: "by-hand.2/h1" }), {
    ...told,
    version: "3.0.0",
    isDry: true,
  });
  assert.equal(reportAsked({ run: "r1", state }), undefined, "a retry asks for what is left of a step");
});

test("a run of one task is that task", () => {
  const alone: Plan = { ...plan, changes: [], steps: [stepOf("by-hand.0", "1.0.0")] };
  assert.equal(reportAsked({ run: "r2", state: { ...initialRunState, plan: alone } })?.version, "1.0.0");
});
