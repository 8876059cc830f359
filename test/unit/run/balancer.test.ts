// A run that takes hosts out of traffic: whoever is not well, or not known to be, gets none, whichever way the run goes.
import assert from "node:assert/strict";
import test from "node:test";
import type { EventBody } from "../../../src/model/run-event.ts";
import { again, goOn, isBad, planWith, play } from "../../support/play-balanced-run.ts";

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
    ["switch.1", "switch.1 failed on w2; rollback_policy is manual; out of traffic: w2"],
    ["confirm.1", "confirm.1 failed on w2; rollback_policy is manual; out of traffic: w2"],
    ["commit", "commit failed on w2; rollback_policy is manual"],
  ] as const) {
    const last = told(step);
    assert.deepEqual([last?.kind, last?.kind === "hold" ? last.reason : undefined], ["hold", reason]);
  }
});

test("while a person decides about a host, those of its batch that are confirmed have traffic, and it gets its own once it is well", () => {
  const held = play(planWith({ batchSize: 3, failureBudget: 2 }, "manual"), isBad("switch.1", "w2", "w3"));
  assert.deepEqual(held.story, ["-w1", "-w2", "-w3", "w1", "w2", "w3", "+w1"]);
  assert.equal(held.last?.kind, "hold");
  const half = goOn(held.state, [again("switch.1", "w3")]);
  assert.deepEqual([half.story, half.last?.kind], [["w3", "+w3"], "hold"]);
  const whole = goOn(half.state, [again("switch.1", "w2")]);
  assert.deepEqual(whole.story, ["w2", "+w2", "-w4", "w4", "+w4"]);
  assert.equal(whole.state.outcome, "done");
});

test("a host whose confirmation failed may go back by itself: it has no traffic while a person decides, the others have", () => {
  const held = play(planWith({ batchSize: 2 }, "manual"), isBad("confirm.1", "w2"));
  assert.deepEqual(held.story, ["-w1", "-w2", "w1", "w2", "+w1"]);
  assert.equal(held.last?.kind, "hold");
});

test("hosts that came back into traffic while a person decided leave it before they are taken back", () => {
  const held = play(planWith({ batchSize: 2 }, "manual"), isBad("switch.1", "w2"));
  const asked: EventBody = { kind: "rollback-started", scope: "release", step: "switch.1", reason: "asked", by: "p" };
  const back = goOn(held.state, [asked]);
  assert.deepEqual(back.story, ["-w1", "undo w1", "undo w2", "+w1", "+w2"]);
  assert.equal(back.state.outcome, "rolled-back");
});

test("a balancer that cannot put the healthy ones back while a person decides keeps nobody waiting, and is tried with the rest", () => {
  for (const outcome of ["failed", "unknown"] as const) {
    const held = play(planWith({ batchSize: 2 }, "manual"), (step, host) =>
      step.id === "back.1" ? outcome : isBad("switch.1", "w2")(step, host),
    );
    assert.equal(held.last?.kind, "hold");
    assert.match(
      held.last?.kind === "hold" ? held.last.reason : "",
      /^switch\.1 failed on w2; .*out of traffic: w1, w2$/,
    );
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

test("where the balancer is down, an operator's way back goes in traffic: who is out comes back last, and nobody is taken out", () => {
  const held = play(planWith({ batchSize: 2 }, "manual"), isBad("switch.2", "w4"));
  assert.deepEqual(held.story.slice(6), ["-w3", "-w4", "w3", "w4", "+w3"]);
  const turn = { kind: "rollback-started", scope: "release", by: "anna", reason: "it burns", inTraffic: true } as const;
  const back = goOn(held.state, [turn], (_, host) => (host === "lb" ? "unknown" : "done"));
  assert.deepEqual(back.story, ["undo w3", "undo w4", "undo w1", "undo w2"]);
  const { last } = back;
  assert.deepEqual(last?.kind === "wait" ? [last.step.traffic, last.hosts] : last, ["back", ["lb"]]);
  const answered = goOn(held.state, [turn]);
  assert.deepEqual([answered.story.slice(4), answered.state.outcome], [["+w4"], "rolled-back"]);
});
