// The journal's form of a plan: nothing is lost in it, and a large fleet does not make it large.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { packPlan, unpackPlan } from "../../../src/model/packed-plan.ts";
import type { Plan } from "../../../src/model/plan.ts";
import { arbitraryWorld, planOrRefusal, worldInput } from "../../support/arbitrary-world.ts";
import { largePlan } from "../../support/large-plan.ts";

const asText = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

test("whatever the plan, it comes out of the journal as it went in, in the same order (P12)", () => {
  fc.assert(
    fc.property(arbitraryWorld, (world) => {
      const plan = planOrRefusal(worldInput(world));
      if (plan !== undefined) assert.deepEqual(unpackPlan(asText(packPlan(plan))), asText(plan));
    }),
    { numRuns: 200 },
  );
});

test("a plan that an older controller wrote is read as it is", () => {
  const plan = asText(largePlan({ hosts: 3, batchSize: 1 }));
  assert.deepEqual(unpackPlan(plan), plan);
});

test("a step whose hosts are in an order of its own, or whose tasks are another host's, is kept as it is", () => {
  const plan = largePlan({ hosts: 3, batchSize: 3 });
  const [first, ...others] = plan.steps;
  assert.ok(first);
  const turned: Plan = { ...plan, steps: [{ ...first, work: [...first.work].reverse() }, ...others] };
  assert.deepEqual(unpackPlan(asText(packPlan(turned))), asText(turned));
  const foreign: Plan = { ...plan, steps: [{ ...first, work: first.work.map((work) => ({ ...work, host: `x${work.host}` })) }] }; // biome-ignore format: one line
  assert.deepEqual(unpackPlan(asText(packPlan(foreign))), asText(foreign));
});

test("ten times as many hosts are their names more, not their tasks", () => {
  const bytes = (hosts: number) => JSON.stringify(packPlan(paddedPlan(hosts))).length;
  const [small, large] = [bytes(100), bytes(1_000)];
  assert.ok(large - small < 900 * 12 * 6, `${large - small} bytes for 900 hosts in 5 steps and the changes`);
});

/** Names of one length, so that they are in order. */
function paddedPlan(hosts: number): Plan {
  const text = JSON.stringify(largePlan({ hosts, batchSize: hosts }));
  return JSON.parse(text.replace(/web(\d+)/g, (_, number: string) => `web${number.padStart(5, "0")}`)) as Plan;
}
