// A host that the failure budget let go has its place in it for the rest of the run; one that a person holds has none.
import assert from "node:assert/strict";
import test from "node:test";
import type { EventBody, JournalEvent } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { decide, mayBegin } from "../../../src/run/decide.ts";
import { leaveOut } from "../../../src/run/effect.ts";
import { leaveOutHeld } from "../../../src/run/leave-out-held.ts";
import { reduce } from "../../../src/run/machine.ts";
import { initialRunState, type RunState } from "../../../src/run/run-state.ts";
import type { Fact } from "../../../src/simulate/fact.ts";
import { holdReason, makeHistory, remember } from "../../../src/simulate/history.ts";
import { makeScenario } from "../../../src/simulate/make-scenario.ts";
import { failureBudget } from "../../../src/simulate/promises/failure-budget.ts";
import { planInput } from "../../support/plan-input.ts";

const planWith = (budget: number) =>
  makePlan(
    planInput({
      components: { app: { hosts: ["h1", "h2", "h3", "h4", "h5"] } },
      policy: { canaries: 0, batchSize: 2, failureBudget: budget },
    }),
  );

interface Played {
  readonly state: RunState;
  readonly events: readonly EventBody[];
}

/** h1 is silent in switch.1, and left out; then h3 fails in switch.2, where h4 has not begun. */
function play(
  budget: number,
  told: (events: readonly EventBody[]) => readonly EventBody[] = (events) => events,
): Played {
  const events: EventBody[] = [];
  let state = initialRunState;
  const happen = (...bodies: readonly EventBody[]) => {
    for (const event of bodies) {
      events.push(event);
      state = reduce(state, event, "r1");
    }
  };
  happen({ kind: "run-planned", commit: "c", generation: "g", plan: planWith(budget), epoch: 1, fleet: [] });
  for (let effect = decide(state); effect !== undefined; effect = decide(state)) {
    if (effect.kind === "start-step") happen({ kind: "step-started", step: effect.step.id });
    else if (effect.kind === "end-step") happen({ kind: "step-ended", step: effect.step.id });
    else if (effect.kind === "leave-out") happen(...told(leaveOut(effect)));
    else if (effect.kind === "wait") happen(...leaveOutHeld(state, new Map([["h1", holdReason]])));
    else if (effect.kind === "run-step") {
      const [host = ""] = effect.hosts;
      const { id } = effect.step;
      const isFailed = id === "switch.2" && host === "h3";
      const outcome = isFailed ? "failed" : id === "switch.1" && host === "h1" ? "unknown" : "done";
      happen({ kind: "submitted", step: id, host }, { kind: "host-ended", step: id, host, outcome, evidence: "" });
      if (isFailed) return { state, events };
    } else assert.fail(effect.kind);
  }
  return assert.fail("h3 was not asked");
}

function withoutWord({ inBudget: _, ...event }: Extract<EventBody, { kind: "host-left-out" }>): EventBody {
  return event;
}

function mayFollow({ state }: Played): boolean {
  const step = state.plan?.steps.find(({ id }) => id === "switch.2") ?? assert.fail();
  return mayBegin(state, step, "h4");
}

test("a host that is silent after it may have switched, and one that fails later, are two in the budget (P9)", () => {
  const one = play(1);
  assert.deepEqual([...one.state.leftOut], ["h1"]);
  assert.equal(mayFollow(one), false, "h1 and h3 are bad, and the budget is one");
  assert.equal(decide(one.state)?.kind, "roll-back");
  assert.equal(mayFollow(play(2)), true);
});

test("a host that a person holds is not in the budget, nor one that an older controller left out", () => {
  const held = play(0);
  assert.deepEqual([...held.state.leftOut], ["h1"]);
  // h3 alone is past a budget of none; what h1 adds shows where the plan allows one.
  const allowed = { ...held.state, plan: planWith(1) };
  assert.equal(mayFollow({ ...held, state: allowed }), true);
  const older = play(1, (events) =>
    events.map((event) => (event.kind === "host-left-out" ? withoutWord(event) : event)),
  );
  assert.equal(mayFollow(older), true, "as it was decided then");
});

test("the simulator counts so as well, by what it saw itself", () => {
  const first = play(1);
  const held = first.events.map((event) => (event.kind === "host-left-out" ? { ...event, reason: holdReason } : event));
  assert.match(
    askSimulator(first.events, 1) ?? "",
    /^h4 takes switch\.2 after switch\.1\/h1 unknown, switch\.2\/h3 failed/,
  );
  assert.equal(askSimulator(first.events, 2), undefined);
  assert.equal(askSimulator(held, 1), undefined);
});

/** What it says when h4 takes the switch after all that. */
function askSimulator(events: readonly EventBody[], budget: number): string | undefined {
  const history = makeHistory(makeScenario({ seed: 1 }));
  events.forEach((body, index) => {
    const planned = body.kind === "run-planned" ? { ...body, plan: planWith(budget) } : body;
    const event: JournalEvent = { ...planned, stream: "run/r1", sequence: index + 1, at: index };
    remember(history, index, { kind: "journaled", disk: "d", event });
  });
  const step = { run: "r1", step: "switch.2", groups: [] };
  const fact = { kind: "submitted", host: { name: "h4" }, step } as unknown as Fact;
  return failureBudget.check({ now: 10_000, fact, history, hosts: new Map() });
}
