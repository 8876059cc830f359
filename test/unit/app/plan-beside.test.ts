// A pass and a look at the plan ask the same: what of a release is planned beside the runs that are open.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Holder } from "../../../src/app/beside-open-runs.ts";
import type { Controller } from "../../../src/app/controller.ts";
import type { LoadedVersion } from "../../../src/app/load-published.ts";
import { keptFromStart, planBeside } from "../../../src/app/plan-beside.ts";
import type { Desired } from "../../../src/model/desired.ts";
import { claimsOf } from "../../../src/plan/claims.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { fleetOf, planInput } from "../../support/plan-input.ts";

const world = planInput({ components: { app: { hosts: ["h1", "h2"] } } });
const plan = makePlan(world);
const { release } = world;
const labels = { pool: "front" };
const hosts = fleetOf(["h1", "h2"]).map((host) => ({ ...host, labels }));
const desired = { releases: [release], hosts } as unknown as Desired;
const versions = new Map([...world.published].map(([key, published]) => [key, { published } as LoadedVersion]));
const context = { versions, unreadable: new Map(), observations: world.observations };

/** A run of a release that holds app on both hosts for this version. */
function holds(version: string, of: string = release.name): Holder {
  const changes = plan.changes.map((change) => ({ ...change, to: version }));
  const held = { ...plan, release: of, changes };
  return { run: "r1", plan: held, claims: claimsOf(held), since: 0, unwell: new Set<string>() };
}

test("what any open run claims for another version, a way back among them, is not planned", async () => {
  for (const by of [holds("1.0.0"), holds("3.0.0", "other"), holds("2.0.0", "other")]) {
    const planned = await planBeside({} as Controller, { context, release, desired, open: [by] });
    assert.ok("blocked" in planned);
    assert.deepEqual(planned.blocked.map(({ by, conflict }) => [by.run, conflict.kind]), [["r1", "claimed"]]); // biome-ignore format: one line
  }
});

test("a plan is kept from its start by what open runs claim of it, and by what the fleet has room for beside them", () => {
  const other = { ...holds("2.0.0", "other"), claims: claimsOf({ ...plan, release: "other", changes: [], steps: [] }) };
  const kinds = (limits: Desired["limits"], open: readonly Holder[]) =>
    keptFromStart(plan, { desired: { ...desired, ...(limits === undefined ? {} : { limits }) }, open }).map(({ conflict }) => conflict.kind); // biome-ignore format: one line
  assert.deepEqual(kinds(undefined, [holds("2.0.0", "other")]), ["claimed"]);
  assert.deepEqual(kinds(undefined, [other]), []);
  assert.deepEqual(kinds([{ match: labels, hosts: 1 }], [other]), ["capacity"]);
  assert.deepEqual(kinds([{ match: labels, hosts: 1 }], []), []);
});
