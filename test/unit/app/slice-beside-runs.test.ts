// Which open runs a part of a plan goes on with, and which it is refused beside.
import assert from "node:assert/strict";
import { test } from "node:test";
import { behindResult } from "../../../src/app/release-trouble.ts";
import { startSlice } from "../../../src/app/slice-beside-runs.ts";
import type { StandingRun } from "../../../src/app/standing-runs.ts";
import { CutoverError } from "../../../src/errors.ts";
import type { DesiredRelease } from "../../../src/model/desired.ts";
import type { Plan, Step } from "../../../src/model/plan.ts";
import { claimsOf } from "../../../src/plan/claims.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { parseSlice } from "../../../src/plan/parse-slice.ts";
import { fleetOf, planInput } from "../../support/plan-input.ts";

const releaseOf = (name: string, component: string): DesiredRelease => {
  const input = planInput({ components: { [component]: { hosts: ["h1"] } } });
  return { ...input.release, name };
};
const planOf = (name: string, component: string): Plan => {
  const input = planInput({ components: { [component]: { hosts: ["h1"] } } });
  return makePlan({ ...input, release: { ...input.release, name } });
};
const desired = { releases: [releaseOf("a", "shop"), releaseOf("b", "api")], hosts: fleetOf(["h1"]) };
const terms = (...texts: readonly string[]) => texts.map((text) => parseSlice(text) ?? assert.fail());

function standing(plan: Plan, more: Partial<StandingRun> = {}): StandingRun {
  const trouble = { reason: "RunOpen", message: "run r1 has not ended", next: "cutover reconcile --once" } as const;
  const held = { claims: claimsOf(plan), since: 0, unwell: new Set<string>() };
  return { run: "r1", plan, generation: "old", isWayBack: false, left: plan.steps, ...held, trouble, ...more };
}

const since = ({ steps }: Plan, id: string): readonly Step[] => steps.slice(steps.findIndex((step) => step.id === id));

test("a run of this very part goes on, of whichever documents; a way back does not, nor a run of another part", () => {
  const plan = planOf("a", "shop");
  const slice = { of: plan.hash, terms: ["host=h2", "host=h1"], brought: [], left: [], untouched: [] };
  const run = standing({ ...plan, slice });
  const asked = terms("host=h1", "host=h2");
  assert.deepEqual(startSlice({ desired, terms: asked, open: [run] }).goOn, [run]);
  for (const [open, meant] of [
    [run, terms("host=h1")],
    [{ ...run, isWayBack: true }, asked],
  ] as const)
    assert.throws(() => startSlice({ desired, terms: meant, open: [open] }), { code: "run-open" });
});

test("a phase or a task means an open run of another release only while that has it left", () => {
  const plan = planOf("b", "api");
  const phases = [...new Set(plan.steps.map(({ phase }) => phase))];
  const [first = "", last = ""] = [phases[0], phases.at(-1)];
  assert.notEqual(first, last);
  const run = standing(plan, { left: plan.steps.filter(({ phase }) => phase === last) });
  const due = startSlice({ desired, terms: terms(`phase=${first}`), open: [run] }).due;
  assert.deepEqual(due.map(({ name }) => name), ["a"]); // biome-ignore format: one line
  assert.throws(() => startSlice({ desired, terms: terms(`phase=${last}`), open: [run] }), { code: "run-open" });

  const switching = standing(plan, { left: since(plan, "switch.1") });
  startSlice({ desired, terms: terms("task=check"), open: [switching] });
  assert.throws(() => startSlice({ desired, terms: terms("task=switch"), open: [switching] }), { code: "run-open" });
  startSlice({ desired, terms: terms("task=switch,component=shop"), open: [switching] });
});

test("a release whose open run has nothing of the part left is named with that run; one that is not meant is not", () => {
  const [mine, other] = [planOf("a", "shop"), planOf("b", "api")];
  const open = [standing(mine, { left: since(mine, "switch.1") }), standing(other, { run: "r2", left: since(other, "switch.1") })]; // biome-ignore format: one line
  const behind = (...texts: readonly string[]) =>
    startSlice({ desired, terms: terms(...texts), open }).behind.map(({ run }) => run);
  assert.deepEqual(behind("task=check"), ["r1", "r2"]);
  assert.deepEqual(behind("task=check,component=api"), ["r2"]);
  const [result] = startSlice({ desired, terms: terms("task=check"), open }).behind.map(behindResult);
  assert.deepEqual([result?.release, result?.outcome, result?.trouble], ["a", "under-way", {
    reason: "RunOpen",
    message: "nothing of this slice is left to do before its open run has ended: run r1 has not ended",
    next: "cutover reconcile --once",
  }]); // biome-ignore format: one line
});

test("the refusal says the way on of the run alone, and how to mean another release", () => {
  const refusal = (...texts: readonly string[]) => {
    try {
      startSlice({ desired, terms: terms(...texts), open: [standing(planOf("b", "api"))] });
    } catch (error) {
      if (error instanceof CutoverError) return error;
    }
    return assert.fail();
  };
  assert.equal(refusal("task=switch").remedy, "cutover reconcile --once");
  assert.match(refusal("task=switch").impact ?? "", /add component=NAME to --slice/);
  assert.doesNotMatch(refusal("component=api").impact ?? "", /add component/);
});
