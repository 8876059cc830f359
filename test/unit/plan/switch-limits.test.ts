// Declared capacity: so many hosts of a group in a switch at a time, over all runs together (R33).
import assert from "node:assert/strict";
import { test } from "node:test";
import { blockedBy, blockedText, refuseLargeBatches } from "../../../src/app/beside-open-runs.ts";
import { claimsOf } from "../../../src/plan/claims.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput } from "../../support/plan-input.ts";

const hosts = ["db1", "db2", "db3", "web1", "web2"];
const capacity = {
  limits: [{ match: { role: "db" }, hosts: 2 }],
  labelsOf: (host: string) => ({ role: host.replace(/\d/, "") }),
};
const planOf = (release: string, names: readonly string[], batchSize = 1) => ({
  ...makePlan(planInput({ components: { [release]: { hosts: names } }, policy: { batchSize } })),
  release,
});
const open = (release: string, names: readonly string[]) => {
  const plan = planOf(release, names);
  return { run: `run-${release}`, plan, claims: claimsOf(plan), since: 0, unwell: new Set<string>() };
};

test("a third run waits while two others have a database host in a switch each; runs elsewhere do not count, and do not wait", () => {
  const [a, b, web] = [open("a", hosts), open("b", ["db3"]), open("w", ["web1", "web2"])];
  assert.deepEqual(blockedBy(planOf("c", ["db1"]), [a, web], capacity), []);
  const blocked = blockedBy(planOf("c", ["db1", "db2"]), [a, b, web], capacity);
  assert.equal(
    blockedText(blocked.slice(0, 1)),
    "at most 2 of role=db may be in a switch at a time, and run run-a of release a, since 1970-01-01 00:00:00 UTC has its share of them",
  );
  assert.deepEqual(blocked.map(({ by }) => by.run), ["run-a", "run-b"]); // biome-ignore format: one line
  assert.deepEqual(blockedBy(planOf("c", ["web1"]), [a, b, web], capacity), []);
});

test("a way back does not wait for capacity", () => {
  assert.deepEqual(blockedBy(planOf("c", ["db1"]), [open("a", hosts), open("b", ["db3"])]), []);
});

test("a plan whose own batches are over the limit could never start: it is refused with what to change", () => {
  refuseLargeBatches(planOf("a", hosts, 2), capacity);
  assert.throws(() => refuseLargeBatches(planOf("a", ["db1", "db2", "db3"].concat("db4"), 3), capacity), {
    code: "batch-over-limit",
    message: "a would switch 3 hosts at a time where at most 2 of role=db may be in a switch at a time",
  });
});
