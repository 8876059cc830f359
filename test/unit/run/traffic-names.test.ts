// What balancers are given under which name when a run is interrupted, retried or turned round: a host refuses other tasks under a
// name that it knows, and a host that may have been taken out of traffic is never forgotten.
import assert from "node:assert/strict";
import test from "node:test";
import type { Step } from "../../../src/model/plan.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { reduce } from "../../../src/run/machine.ts";
import { initialRunState } from "../../../src/run/run-state.ts";
import { again, goOn, isBad, planWith, play, type Report, type Told } from "../../support/play-balanced-run.ts";

const back = { kind: "rollback-started", scope: "release", by: "anna", reason: "it burns" } as const;
const backInTraffic = { ...back, inTraffic: true } as const;
const isSilent =
  (id: string, on: string, others: (step: Step, host: string) => Report = () => "done") =>
  (step: Step, host: string): Report =>
    step.id === id && host === on ? "unknown" : others(step, host);
const namesOf = ({ given }: Told, part: string) =>
  [...given].filter(([name]) => name.includes(part)).map(([name, keys]) => `${name}: ${keys.replaceAll("lb/pool/out.", "")}`); // biome-ignore format: one line

/** As the journal has it when the controller dies before a host has reported how a step ended. */
function diedBefore({ events }: Told, step: string, host: string) {
  const at = events.findIndex((event) => event.kind === "host-ended" && event.step === step && event.host === host);
  assert.ok(at > 0);
  return events.slice(0, at).reduce((state, event) => reduce(state, event, "r1"), initialRunState);
}

test("what came back into traffic early and got lost is read back under its own name before the others follow", () => {
  const held = play(planWith({ batchSize: 3 }, "manual"), isSilent("back.1", "lb", isBad("switch.1", "w3")));
  assert.equal(held.last?.kind, "hold");
  for (const state of [held.state, diedBefore(held, "back.1", "lb")]) {
    const whole = goOn(state, [again("switch.1", "w3")], undefined, held.given);
    assert.deepEqual(whole.story, ["w3", "+w1", "+w2", "+w3", "-w4", "w4", "+w4"]);
    assert.deepEqual(namesOf(whole, "back.1"), ["back.1.r1/lb: w1 undo, w2 undo", "back.1.r2/lb: w3 undo"]);
    assert.equal(whole.state.outcome, "done");
  }
});

test("a host that a person takes back while its balancer was not read back is not put into traffic under the old name (P9)", () => {
  const plan = planWith({ batchSize: 2 }, "manual");
  const lost = play(plan, isSilent("back.1", "lb"));
  const task = plan.steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat())).find(({ id }) => id === "w1/web/switch") ?? assert.fail(); // biome-ignore format: one line
  const undo: Step = { id: "undo.1", kind: "task", phase: "upgrade", batch: 0, soakSeconds: 0, work: [{ host: "w1", groups: [[{ ...task, action: "undo" }]] }] }; // biome-ignore format: one line
  const asked: EventBody = { kind: "step-added", step: undo, by: "anna", reason: "to look at it" };
  const held = goOn(diedBefore(lost, "back.1", "lb"), [asked], undefined, lost.given);
  assert.deepEqual([held.story, held.last?.kind], [["undo w1", "+w2"], "hold"]);
  assert.deepEqual(namesOf(held, "back.1"), ["back.1/lb: w1 undo, w2 undo", "back.1.r1/lb: w2 undo"]);
});

test("a balancer that the run goes on without is not asked to put the healthy ones back", () => {
  const waiting = play(planWith({ batchSize: 2 }, "manual"), isSilent("away.1", "lb"));
  const without: EventBody = { kind: "host-left-out", step: "away.1", host: "lb", reason: "it burnt down" };
  const held = goOn(waiting.state, [without], isBad("switch.1", "w2"), waiting.given);
  assert.deepEqual([held.story, held.last?.kind], [["w1", "w2"], "hold"]);
});

test("a host that may have left traffic for its way back comes back to it, though that went on in traffic", () => {
  const lost = play(planWith({ batchSize: 1 }, "release"), isSilent("rollback.back.1", "lb", isBad("switch.2", "w2")));
  assert.deepEqual(lost.last?.kind === "wait" ? lost.last.step.id : lost.last, "rollback.back.1");
  const turned = goOn(lost.state, [backInTraffic], undefined, lost.given);
  assert.deepEqual([turned.story, turned.state.outcome], [["undo w1", "+w1"], "rolled-back"]);
  // Also when it is turned once more before anything came of that.
  const stopped = goOn(lost.state, [backInTraffic], isSilent("rollback.again2.1", "w1"), lost.given);
  const third = goOn(stopped.state, [backInTraffic], undefined, stopped.given);
  assert.deepEqual([third.story, third.state.outcome], [["undo w1", "+w1"], "rolled-back"]);
});

test("a balancer that was down all the while was handed nothing: going on in traffic needs it no more", () => {
  const lost = play(planWith({ batchSize: 1 }, "release"), isSilent("rollback.back.1", "lb", isBad("switch.2", "w2")));
  const isHanded = (event: EventBody) => event.kind === "submitted" && event.step === "rollback.back.1";
  const down = lost.events.filter((event) => !isHanded(event)).reduce((state, event) => reduce(state, event, "r1"), initialRunState); // biome-ignore format: one line
  const turned = goOn(down, [backInTraffic], undefined, lost.given);
  assert.deepEqual([turned.story, turned.state.outcome], [["undo w1"], "rolled-back"]);
});

test("a way back that ends without its balancer says who may be out of traffic", () => {
  const lost = play(planWith({ batchSize: 2 }), isSilent("rollback.away.1", "lb", isBad("switch.1", "w2")));
  const without: EventBody = { kind: "host-left-out", step: "rollback.away.1", host: "lb", reason: "it burnt down" };
  const { state } = goOn(lost.state, [without], undefined, lost.given);
  assert.deepEqual([state.outcome, state.reason], ["rolled-back", "switch.1 failed on w2; out of traffic: w1, w2"]);
});

test("a way back that is asked for again goes on as it was handed over: nothing is done twice, and no name gets other tasks", () => {
  const held = play(planWith({ batchSize: 2 }, "manual"), isBad("switch.2", "w4"));
  const first = goOn(held.state, [back], isSilent("rollback.1", "w1"), held.given);
  assert.equal(first.last?.kind, "wait");
  const second = goOn(first.state, [back], undefined, first.given);
  assert.deepEqual(second.state.rollback?.steps, first.state.rollback?.steps);
  assert.deepEqual([second.story, second.state.outcome], [["undo w1", "+w1", "+w2"], "rolled-back"]);
  const fresh = [...second.given.keys()].filter((name) => !first.given.has(name));
  assert.deepEqual(fresh, ["rollback.away.1/lb"]);
});
