// What is said when a plan would pass a point that it may not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseUnsafeOrder } from "../../../src/app/check-order.ts";
import type { CutoverError } from "../../../src/errors.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput, type World } from "../../support/plan-input.ts";

function refusal(world: World): CutoverError {
  const input = planInput(world);
  const plan = makePlan(input);
  let thrown: CutoverError | undefined;
  assert.throws(
    () => refuseUnsafeOrder({ ...input, plan }),
    (error: CutoverError) => {
      thrown = error;
      return true;
    },
  );
  assert.ok(thrown);
  return thrown;
}

test("a plan that exceeds a skew limit on its way names step, hosts, versions and the order that would do (R39)", () => {
  const components = {
    api: {
      hosts: ["web1"],
      version: "1.3.0",
      skew: [{ of: "db", behind: "0 minor", scope: "fleet" as const }],
      dependsOn: ["db"],
    },
    db: { hosts: ["db1"], version: "1.3.0" },
  };
  const observed = { web1: { api: { current: "1.2.0" } }, db1: { db: { current: "1.2.0" } } };
  const { code, evidence, remedy } = refusal({ components, observed });
  assert.equal(code, "skew-exceeded");
  assert.equal(
    evidence,
    "switch.1: api 1.2.0 on web1 would run beside db 1.3.0 on db1: 1 minor behind, at most 0 minor is allowed",
  );
  assert.match(remedy ?? "", /^Let api go everywhere before db: `consumes: \[db\]` at api/);
});
