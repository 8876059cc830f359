// A run that would only wait, since others of its release have used up the failure budget, begins nothing for its next switch (P9).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { decide } from "../../../src/run/decide.ts";
import { initialRunState } from "../../../src/run/run-state.ts";
import { memoryJournal, runController } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";
import { goOn, planWith } from "../../support/play-balanced-run.ts";

const bad: EventBody = { kind: "unwell-beside", hosts: ["h9"], runs: ["r9"] };
const over: EventBody = { kind: "unwell-beside", hosts: [], runs: [] };

test("hosts whose switch would wait for other runs stay in traffic meanwhile", () => {
  const plan = planWith({ batchSize: 2 });
  const planned: EventBody = { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] };
  const { story, last, state } = goOn(initialRunState, [planned, bad]);
  assert.deepEqual([story, last?.kind], [[], "pause"]);
  const ended = goOn(state, [over]);
  assert.deepEqual(ended.story.slice(0, 6), ["-w1", "-w2", "w1", "w2", "+w1", "+w2"]);
  assert.equal(ended.state.outcome, "done");
});

test("a way back does not wait: whom it takes out of traffic goes back, and comes back to it", () => {
  const plan = planWith({ batchSize: 2 });
  const planned: EventBody = { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] };
  const { state } = goOn(initialRunState, [planned], (step) => (step.id === "switch.2" ? "unknown" : "done"));
  const back: EventBody = { kind: "rollback-started", scope: "release", reason: "seen", by: "ann" };
  const { story, state: ended } = goOn(state, [bad, back]);
  assert.ok(story.includes("-w1") && story.includes("undo w1"), story.join(" "));
  assert.equal(ended.outcome, "rolled-back");
});

test("nothing is saved for a switch that would wait: it would be old by the time of it (P4)", async () => {
  const components = { db: { hosts: ["h1"], backup: true }, cache: { hosts: ["h2"], backup: true } };
  const plan = makePlan(planInput({ components, restorePoint: { components: ["db", "cache"], withinMs: 500 } }));
  assert.ok(plan.steps.some(({ kind }) => kind === "restore-point"));
  const { executor } = inProcessHosts();
  const beside = () => ({ hosts: ["h9"], runs: ["r9"] });
  const state = await runController({ plan, journal: memoryJournal(), executor, epoch: 1, more: { beside } });
  assert.equal(decide(state)?.kind, "pause");
  assert.ok(!state.startedSteps.has("restore-point"));
});
