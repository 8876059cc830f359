// What a reviewer is told beside the plan: what cannot be taken back, what may hurt, and how long it is expected to take.
import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../../src/model/digest.ts";
import type { ComponentTiming } from "../../../src/model/status.ts";
import { assessRisk, type VersionTraits } from "../../../src/plan/assess-risk.ts";
import { estimateSteps } from "../../../src/plan/estimate-steps.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { slicePlan } from "../../../src/plan/slice-plan.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const made = { components: { web: { hosts: ["h1", "h2", "h3", "h4", "h5"], health: true } } } satisfies World;
const calm: VersionTraits = {
  ...{ component: "web", version: "2.0.0", sequence: 2, floor: 0, strategy: "exec", manager: "systemd" },
  ...{ hasHealth: true, listens: true, tasksWithoutUndo: [] },
};

function risks(traits: Partial<VersionTraits>, world: World = made, from: Partial<VersionTraits> = {}) {
  const known = [
    { ...calm, ...traits },
    { ...calm, version: "1.0.0", sequence: 1, ...from },
  ];
  const items = assessRisk({
    plan: makePlan(planInput(world)),
    traits: new Map(known.map((each) => [`web@${each.version}`, each])),
  });
  return items.map(({ kind, reason, hosts }) => `${kind} ${reason} ${hosts.length}`);
}

test("who agrees to a way over stepping stones sees the risks of its whole length (R16)", () => {
  const plan = makePlan(planInput(made));
  const further = [{ version: "3.0.0", tree: digestOf("web@3.0.0") }];
  const changes = plan.changes.map((change) => (change.host === "h1" ? { ...change, further } : change));
  const known = [calm, { ...calm, version: "3.0.0", sequence: 3, contracts: ["orders"], hasHealth: false }];
  const traits = new Map(known.map((each) => [`web@${each.version}`, each]));
  assert.deepEqual(
    assessRisk({ plan: { ...plan, changes }, traits }).map(({ reason, hosts }) => `${reason} ${hosts}`),
    ["contracts-migration h1", "no-health-check h1"],
  );
});

test("a slice has the risks of what it does: bytes and checks alone have none, a switch has all of its hosts", () => {
  const plan = makePlan(planInput(made));
  const traits = new Map([[`web@${calm.version}`, { ...calm, strategy: "restart" }]]);
  const of = (value: string) => {
    const terms = [[{ key: "task", value }]];
    const slice = slicePlan({ plan, terms, labelsOf: () => ({}) }) ?? assert.fail(value);
    return assessRisk({ plan: slice.plan, traits }).map(({ reason, hosts }) => `${reason} ${hosts.length}`);
  };
  assert.deepEqual([of("distribute"), of("check"), of("switch")], [[], [], ["drops-requests 5"]]);
});

test("each risk is named for the hosts that it is about; a careful step has none", () => {
  assert.deepEqual(risks({}), []);
  assert.deepEqual(risks({ hasHealth: false }), ["risky no-health-check 5"]);
  assert.deepEqual(risks({ strategy: "restart" }), ["risky drops-requests 5"]);
  assert.deepEqual(risks({ strategy: "none" }), ["risky drops-requests 5"]);
  assert.deepEqual(risks({ strategy: "restart", listens: false }), []);
  assert.deepEqual(risks({ strategy: "reuseport" }), ["risky resets-waiting 5"]);
  assert.deepEqual(risks({ strategy: "reuseport", listens: false }), []);
  assert.deepEqual(risks({ strategy: "takeover" }), ["risky takeover-is-final 5"]);
  assert.deepEqual(risks({ strategy: "takeover" }, made, { strategy: "restart" }), [
    "risky takeover-is-final 5",
    "risky cannot-hand-over 5",
  ]);
  for (const strategy of ["exec", "signal", "reload"]) {
    assert.deepEqual(risks({ strategy }, made, { strategy }), []);
    assert.deepEqual(risks({ strategy }, made, { strategy: "restart" }), ["risky cannot-hand-over 5"]);
  }
  assert.deepEqual(risks({ floor: 2 }), ["irreversible raises-floor 5"]);
  assert.deepEqual(risks({ contracts: ["orders-v2"] }), ["irreversible contracts-migration 5"]);
  assert.deepEqual(risks({ tasksWithoutUndo: ["migrate"] }), ["irreversible no-undo 5"]);
  assert.deepEqual(risks({}, made, { sequence: 3 }), ["risky downgrade 5"]);
  assert.deepEqual(risks({}, { ...made, rollbackPolicy: "manual" }), ["risky manual-rollback 5"]);
  const fresh: World = { ...made, observed: { h1: { web: { current: undefined } } } };
  assert.deepEqual(risks({ strategy: "restart" }, fresh), ["risky drops-requests 4", "risky first-install 1"]);
  assert.deepEqual(risks({ hasHealth: false, floor: 2 }), ["irreversible raises-floor 5", "risky no-health-check 5"]);
});

test("a host that waits is part of the risk, since it is part of the plan", () => {
  assert.deepEqual(risks({ hasHealth: false }, { ...made, holds: { h2: "maintenance" } }), ["risky no-health-check 5"]);
});

test("the time is that of sending, building and every batch with its soak, by the last run; without one it is unknown", () => {
  const policy = { canaries: 1, batchSize: 2, soakSeconds: 10 };
  const plan = makePlan(planInput({ ...made, policy }));
  const timing: ComponentTiming = {
    ...{ component: "web", buildMs: 2_000, bytesPerSecond: 1_000_000, switchMs: 3_000, confirmMs: 500 },
    ...{ hosts: 4, runs: 1, at: Date.UTC(2026, 10, 20) },
  };
  const transfer = {
    ...{ component: "web", from: "1.0.0", to: "2.0.0", hosts: ["h1"], path: "full", via: [], bytesPerHost: 4_000_000 },
    why: "",
  } as const;
  const estimate = (more: object, timings: readonly ComponentTiming[] = [timing], concurrency = 100) =>
    estimateSteps({ plan: { ...plan, ...more }, timings, concurrency })[0];
  const [{ seconds, basis } = { seconds: 0, basis: "" }] = [estimate({ transfers: [transfer] })];
  assert.deepEqual([seconds, basis], [4 + 2 + 3 * (3.5 + 10), "median of 4 hosts, run of 2026-11-20"]);
  assert.equal(estimate({ transfers: [transfer] }, [timing], 1)?.seconds, 5 * (4 + 2) + 5 * 3.5 + 3 * 10);
  assert.match(estimate({})?.basis ?? "", /without the time to send$/);
  assert.deepEqual(
    [estimate({}, [])?.seconds, estimate({}, [])?.basis],
    [undefined, "no run that changed it is on record"],
  );
});
