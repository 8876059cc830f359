// What a run says while somebody acts in it by hand: a dry run is called one, and a turn only what is one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyEvent, startProgress } from "../../../src/cli/progress.ts";
import { renderRunEvent } from "../../../src/cli/render-run-event.ts";
import { toText } from "../../../src/cli/text.ts";
import type { Step } from "../../../src/model/plan.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { Task } from "../../../src/model/task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput } from "../../support/plan-input.ts";

const world = { components: { app: { hosts: ["h1", "h2"], health: true } }, policy: { canaries: 2, batchSize: 2 } };
const plan = makePlan(planInput({ ...world, rollbackPolicy: "manual" }));
const planned: EventBody = { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] };

/** Of the last event. */
function said(...bodies: readonly EventBody[]): string[] {
  const progress = startProgress("r1", 1);
  let lines: string[] = [];
  for (const [index, body] of bodies.entries()) {
    const event = { ...body, stream: "run/r1", sequence: index + 1, at: 1_000 * index };
    applyEvent(progress, event);
    lines = toText(renderRunEvent(progress, event).lines, { color: false, width: undefined, overflow: "wrap" });
  }
  return lines;
}

function asked(options: Task["options"]): EventBody[] {
  const task: Task = { id: "h1/app/convert", host: "h1", component: "app", version: "2", kind: "hook", action: "do", options }; // biome-ignore format: one line
  const step: Step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h1", groups: [[task]] }] }; // biome-ignore format: one line
  return [planned, { kind: "step-added", step, by: "ada", reason: "a look" }];
}

const ended = (state: "done" | "failed"): EventBody => {
  const event = { task: "h1/app/convert", action: "do", state, durationMs: 0, exitCode: 0, reason: "exit 1", evidence: "" } as const; // biome-ignore format: one line
  return { kind: "task", step: "by-hand.1", host: "h1", event };
};

test("a dry run is called one when it is asked for, when it is done and when it failed", () => {
  const dry = asked({ "dry-run": "yes" });
  assert.deepEqual(said(...dry), ["ada makes a dry run of h1/app/convert 2: a look"]);
  assert.match(said(...dry, ended("done"))[0] ?? "", /^done dry run of h1\/app\/convert in /);
  assert.match(said(...dry, ended("failed"))[0] ?? "", /^failed: h1 dry run of app\/convert: /);
  assert.deepEqual(said(...asked({})), ["ada runs h1/app/convert 2: a look"]);
  assert.match(said(...asked({}), ended("done"))[0] ?? "", /^done h1\/app\/convert in /);
});

test("another turn is said to be one only where the host had one before", () => {
  const turn = { step: "switch.1", host: "h1", turn: 1, rest: [], by: "ada", reason: "mended" };
  const reopened: EventBody = { kind: "host-reopened", ...turn, tasks: ["h1/app/switch do"] };
  const nothing: EventBody = { kind: "host-reopened", ...turn, tasks: [] };
  const started: EventBody = { kind: "step-started", step: "switch.1" };
  const handed: EventBody = { kind: "submitted", step: "switch.1", host: "h1" };
  const other: EventBody = { kind: "submitted", step: "switch.1", host: "h2" };
  assert.deepEqual(said(planned, started, handed, reopened), ["ada gives h1 another turn at switch.1: mended"]);
  const first = ["ada has h1 do what is left of switch.1 when the run comes to it: mended"];
  assert.deepEqual(said(planned, reopened), first);
  assert.deepEqual(said(planned, started, other, reopened), first);
  assert.deepEqual(said(planned, started, handed, nothing), ["ada leaves h1 nothing more to do at switch.1: mended"]);
});
