// What people run and undo by hand around a balancer, and beside trials of other batches.
import assert from "node:assert/strict";
import test from "node:test";
import { foundIn } from "../../../src/app/tasks/find-task.ts";
import { refuseDone } from "../../../src/app/tasks/retry-task.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { Task } from "../../../src/model/task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { leftOfStep } from "../../../src/run/by-hand.ts";
import { decide } from "../../../src/run/decide.ts";
import { leaveOutHeld } from "../../../src/run/leave-out-held.ts";
import { reduce } from "../../../src/run/machine.ts";
import { initialRunState, type RunState } from "../../../src/run/run-state.ts";
import { tryAgain } from "../../../src/run/try-again.ts";
import { planInput } from "../../support/plan-input.ts";
import { goOn, isBad, planWith, play } from "../../support/play-balanced-run.ts";

const on = (state: RunState, ...events: readonly EventBody[]) => events.reduce((now, event) => reduce(now, event, "r1"), state); // biome-ignore format: one line

let hands = 0;
function byHand(task: Task, action: "do" | "undo", outcome: "done" | "failed" = "done"): EventBody[] {
  hands += 1;
  const [id, { host }] = [`by-hand.${hands}`, task];
  const step = { id, kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host, groups: [[{ ...task, action }]] }] } as const; // biome-ignore format: one line
  const event = { task: task.id, action, state: outcome, reason: "-", evidence: "", durationMs: 1, exitCode: 0 };
  return [
    { kind: "step-added", step, by: "ann", reason: "-" },
    { kind: "step-started", step: id },
    { kind: "submitted", step: id, host },
    { kind: "task", step: id, host, event },
    { kind: "host-ended", step: id, host, outcome, evidence: "" },
    { kind: "step-ended", step: id },
  ];
}

function taskIn({ plan }: RunState, step: string, id: string): Task {
  const found = plan?.steps.find((each) => each.id === step)?.work.flatMap(({ groups }) => groups.flat()).find((task) => task.id === id); // biome-ignore format: one line
  assert.ok(found);
  return found;
}

/** The first batch is back in traffic, and the second one waits for a person. */
const held = play(planWith({ batchSize: 2 }, "manual"), isBad("switch.2", "w3"));
const out = taskIn(held.state, "away.1", "lb/pool/out.w1");
const idOf = (state: RunState) => {
  const effect = decide(state);
  return [effect?.kind, effect !== undefined && "step" in effect && typeof effect.step === "object" && effect.step.id];
};

test("a host that a person took out of traffic is not put back by the balancer's next turn: the run waits", () => {
  assert.deepEqual(idOf(held.state), ["hold", "switch.2"]);
  const told = goOn(held.state, byHand(out, "do"), isBad("switch.2", "w3"));
  assert.deepEqual(told.story, [], "what a person does is no part of the story");
  assert.deepEqual(idOf(told.state), ["hold", "back.1"]);
  assert.deepEqual(idOf(on(told.state, ...byHand(out, "undo"))), ["hold", "switch.2"]);
});

test("nor is one of the very batch that is held", () => {
  const fourth = taskIn(held.state, "away.2", "lb/pool/out.w4");
  const told = goOn(held.state, byHand(fourth, "do"), isBad("switch.2", "w3"));
  assert.deepEqual([told.story, ...idOf(told.state)], [[], "hold", "switch.2"]);
  assert.equal(told.state.missing.get(fourth.id), "back.2");
});

test("a balancer's task that is missing is tried again by the step that waits for it", () => {
  const state = on(held.state, ...byHand(out, "do", "failed"));
  const found = foundIn({ run: "r1", events: [], state }, out.id);
  assert.equal(found?.step.id, "back.1");
  const left = leftOfStep(state, found.step, "lb");
  assert.deepEqual(left, ["lb/pool/out.w1 undo"]);
  refuseDone(found, left);
});

test("a host that is in traffic leaves it before its switch is tried again, and comes back", async () => {
  const state = on(held.state, ...byHand(taskIn(held.state, "switch.1", "w1/web/switch"), "undo"));
  assert.deepEqual(idOf(state), ["hold", "switch.1"]);
  const step = state.plan?.steps.find(({ id }) => id === "switch.1");
  assert.ok(step);
  const again = await tryAgain({ run: "r1", state, events: held.events, step, host: "w1", observe: async () => [], hasUndo: async () => true, by: "ann", reason: "-" }); // biome-ignore format: one line
  const told = goOn(state, [...again.undo, ...again.turns], isBad("switch.2", "w3"));
  assert.deepEqual(told.story.slice(0, 3), ["-w1", "w1", "+w1"]);
  assert.deepEqual(idOf(told.state), ["hold", "switch.2"]);
});

test("two hosts that are tried again one after the other both leave traffic first", async () => {
  const undone = ["w1", "w2"].flatMap((host) => byHand(taskIn(held.state, "switch.1", `${host}/web/switch`), "undo"));
  let state = on(held.state, ...undone);
  const step = state.plan?.steps.find(({ id }) => id === "switch.1");
  assert.ok(step);
  for (const host of ["w1", "w2"]) {
    const again = await tryAgain({ run: "r1", state, events: held.events, step, host, observe: async () => [], hasUndo: async () => true, by: "ann", reason: "-" }); // biome-ignore format: one line
    state = on(state, ...again.undo, ...again.turns);
  }
  const { story } = goOn(state, [], isBad("switch.2", "w3"));
  assert.deepEqual(story.slice(0, 6), ["-w1", "-w2", "w1", "w2", "+w1", "+w2"]);
});

test("what a balancer failed to put back is tried again by the step that failed", () => {
  const failed = play(planWith({ batchSize: 2 }, "manual"), isBad("back.1", "lb"));
  const found = foundIn({ run: "r1", events: [], state: failed.state }, out.id);
  assert.equal(found?.step.id, "back.1");
  refuseDone(found, leftOfStep(failed.state, found.step, "lb"));
});

test("a balancer that is on hold is not left out for what a person did there: later batches would switch in traffic", () => {
  const { events } = play(planWith({ batchSize: 2 }, "manual"));
  const cut = events.findIndex((event) => event.kind === "step-started" && event.step === "away.2");
  const state = on(initialRunState, ...events.slice(0, cut), ...byHand(out, "do"));
  assert.deepEqual([...idOf(state), leaveOutHeld(state, new Map([["lb", "look at it"]])).length], ["hold", "back.1", 0]); // biome-ignore format: one line
});

test("trials of a later batch are confirmed while an earlier one waits for a person (P8)", () => {
  const hook = { name: "convert", at: "before-switch", scope: "host", hasUndo: true, canDryRun: true } as const;
  const components = { app: { hosts: ["h1", "h2"], tasks: [hook] } };
  const plan = makePlan(planInput({ components, policy: { canaries: 0, batchSize: 1 }, rollbackPolicy: "manual" }));
  const { events } = play(plan);
  const cut = events.findIndex((event) => event.kind === "step-ended" && event.step === "switch.2");
  const before = on(initialRunState, ...events.slice(0, cut));
  const state = on(before, ...byHand(taskIn(before, "switch.1", "h1/app/convert"), "undo"));
  assert.deepEqual(idOf(state), ["start-step", "confirm.2"]);
  const told = goOn(state, []);
  assert.deepEqual([told.state.hosts.get("confirm.2/h2"), ...idOf(told.state)], ["done", "hold", "switch.1"]);
});
