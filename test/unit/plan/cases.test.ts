// Every file of test/cases: what git asks and what hosts report, and the plan that follows. They double as documentation.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { parse } from "yaml";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput, type World } from "../../support/plan-input.ts";
import { outlinePlan } from "../../support/plan-outline.ts";

interface Case extends Pick<World, "observed" | "holds" | "quarantined" | "procedure" | "labels"> {
  readonly promise: string;
  readonly desired: Pick<World, "components" | "policy" | "rollbackPolicy" | "edits" | "labels">;
  readonly plan: readonly string[];
  readonly held?: readonly string[];
  /** Meant as well, and done later. */
  readonly waiting?: readonly string[];
  /** What came of plan edits. */
  readonly edits?: readonly string[];
}

const folder = new URL("../../cases/", import.meta.url);

for (const file of readdirSync(folder).sort()) {
  const {
    promise,
    desired,
    plan: expected,
    held = [],
    waiting,
    edits,
    ...world
  } = parse(readFileSync(new URL(file, folder), "utf8")) as Case;
  test(`${file}: ${promise}`, () => {
    const plan = makePlan(planInput({ ...desired, ...world }));
    assert.deepEqual(outlinePlan(plan), expected);
    assert.deepEqual(
      plan.held.map(({ host, component, reason }) => `${component ? `${host} ${component}` : host}: ${reason}`),
      held,
    );
    const later = plan.waiting.map(
      ({ host, component, from, to }) => `${host} ${component}: ${from ?? "(none)"} → ${to}`,
    );
    if (waiting !== undefined) assert.deepEqual(later, waiting);
    assert.deepEqual(
      plan.edits?.map(({ effect }) => effect),
      edits,
    );
  });
}
