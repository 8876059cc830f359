// Which hosts of a run count in the other runs of its release (P9).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { noteUnwell, type Unwell } from "../../../src/run/note-unwell.ts";
import { unwellBeside, whySpent } from "../../../src/run/unwell-beside.ts";
import { planInput } from "../../support/plan-input.ts";

const plan = makePlan(planInput({ components: { app: { hosts: ["h1", "h2"] } } }));
const others = { ...plan, release: "another" };

function heard(...events: EventBody[]): string[] {
  const bad: Unwell = new Map();
  for (const event of events) noteUnwell(bad, event);
  const { hosts } = unwellBeside({ run: "b", plan }, [
    { run: "a", plan, bad },
    { run: "b", plan, bad: new Map([["h8", new Set(["switch.1"])]]) },
    { run: "c", plan: others, bad: new Map([["h9", new Set(["switch.1"])]]) },
  ]);
  return [...hosts];
}

const ended = (step: string, host: string, outcome: "done" | "failed" | "unknown"): EventBody => ({
  kind: "host-ended",
  step,
  host,
  outcome,
  evidence: "",
});

test("who failed or fell silent in a switch, its confirmation or its commit counts, until that very step went well", () => {
  for (const kind of ["switch", "confirm", "commit"] as const) {
    const step = plan.steps.find((each) => each.kind === kind)?.id ?? "";
    assert.deepEqual(heard(ended(step, "h1", "unknown")), ["h1"], step);
    assert.deepEqual(heard(ended(step, "h1", "failed"), ended(step, "h1", "done")), [], step);
  }
  assert.deepEqual(heard(ended("check", "h1", "failed"), ended("distribute", "h2", "unknown")), []);
});

test("who switched and fell silent on its way back counts as well, and a balancer does not", () => {
  const back = ended("rollback.1", "h2", "unknown");
  assert.deepEqual(heard(ended("switch.1", "h1", "failed"), ended("rollback.1", "h1", "done"), back), ["h2"]);
  assert.deepEqual(heard(back, ended("rollback.1", "h2", "done")), []);
  assert.deepEqual(heard(ended("rollback.back.1", "lb", "unknown")), []);
});

test("whom the budget let go counts on, and whom a person holds does not", () => {
  const left = { kind: "host-left-out", step: "switch.1", host: "h1", reason: "" } as const;
  assert.deepEqual(heard(ended("switch.1", "h1", "unknown"), { ...left, inBudget: true }), ["h1"]);
  assert.deepEqual(heard(ended("switch.1", "h1", "unknown"), left), []);
});

test("who reads why a run waits is told which hosts, in which runs, and which of its own take up the budget", () => {
  const hosts = ["h1", "h2", "h3", "h4", "h5", "h6", "h7"];
  assert.equal(
    whySpent({ plan: { failureBudget: 2 }, beside: { hosts, runs: ["a", "c"] }, leftInBudget: ["h9"] }),
    "h1, h2, h3, h4, h5 and 2 more are not well in a, c of the same release, and h9 is left out of this one; its failure budget is 2, and no further host switches before that is over",
  );
});
