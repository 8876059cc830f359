// Traffic away and back around a switch: who is asked, in which version, and what is refused.
import assert from "node:assert/strict";
import test from "node:test";
import type { PublishedTask } from "../../../src/model/published-version.ts";
import { claimsOf, conflictsBetween } from "../../../src/plan/claims.ts";
import { makePlan, type PlanInput } from "../../../src/plan/make-plan.ts";
import type { SliceTerm } from "../../../src/plan/parse-slice.ts";
import { slicePlan } from "../../../src/plan/slice-plan.ts";
import { planInput, type World } from "../../support/plan-input.ts";
import { outlinePlan } from "../../support/plan-outline.ts";

const out: PublishedTask = { name: "out", scope: "host", hasUndo: true, canDryRun: false };
const web = { hosts: ["w1", "w2", "w3"], balancer: "pool/out", health: true };
const base: World = {
  components: { web, pool: { hosts: ["lb1", "lb2"], version: "1.0.0", tasks: [out] } },
  policy: { canaries: 1, batchSize: 2 },
};
const addresses: Readonly<Record<string, string>> = { w1: "10.0.0.1", w2: "10.0.0.2", w3: "10.0.0.3" };

function inputOf(world: World, without: readonly string[] = []): PlanInput {
  const hosts = [...new Set(Object.values(world.components).flatMap((component) => component.hosts))];
  const fleet = hosts.map((name) => ({
    name,
    address: addresses[name] ?? name,
    components: Object.entries(world.components).flatMap(([component, { hosts: on }]) =>
      on.includes(name) && !without.includes(name) ? [component] : [],
    ),
  }));
  return { ...planInput(world), fleet };
}

const stepsOf = (world: World) =>
  outlinePlan(makePlan(inputOf(world))).filter((line) => /^(away|switch|back)/.test(line));

test("every balancer host takes the hosts of a batch out before their switch, and puts them back when they are confirmed", () => {
  const plan = makePlan(inputOf(base));
  assert.deepEqual(
    plan.steps.map(({ id }) => id),
    [
      "distribute",
      "check",
      ...["away.1", "switch.1", "confirm.1", "back.1"],
      ...["away.2", "switch.2", "confirm.2", "back.2"],
      "commit",
    ],
  );
  assert.deepEqual(stepsOf(base), [
    "away.1 lb1: pool task out",
    "away.1 lb2: pool task out",
    "switch.1 w1: web switch, web health",
    "back.1 lb1: pool undo task out",
    "back.1 lb2: pool undo task out",
    "away.2 lb1: pool task out + pool task out",
    "away.2 lb2: pool task out + pool task out",
    "switch.2 w2: web switch, web health",
    "switch.2 w3: web switch, web health",
    "back.2 lb1: pool undo task out + pool undo task out",
    "back.2 lb2: pool undo task out + pool undo task out",
  ]);
  const [task] = plan.steps.find(({ id }) => id === "away.1")?.work[0]?.groups.flat() ?? [];
  assert.deepEqual(task, {
    ...{ id: "lb1/pool/out.w1", host: "lb1", component: "pool", version: "1.0.0", kind: "hook", action: "do" },
    options: { name: "out", target: "w1", "target-address": "10.0.0.1" },
  });
});

test("the soak begins when the hosts are in traffic again", () => {
  const plan = makePlan(inputOf({ ...base, policy: { ...base.policy, soakSeconds: 60 } }));
  const soaked = plan.steps.flatMap(({ id, soakSeconds }) => (soakSeconds > 0 ? [`${id} ${soakSeconds}`] : []));
  assert.deepEqual(soaked, ["back.1 60", "back.2 60"]);
});

test("who leaves traffic is part of what is reviewed; a plan that is only compared has the same hash (P12)", () => {
  const { hash } = makePlan(inputOf(base));
  assert.equal(makePlan(planInput(base)).hash, hash);
  const other = { ...base, components: { ...base.components, web: { ...web, balancer: "pool/in" } } };
  assert.notEqual(makePlan(planInput({ ...other, components: { ...other.components } })).hash, hash);
});

test("a first install has no traffic to take away", () => {
  const lines = stepsOf({ ...base, observed: { w2: { web: {} } } });
  assert.deepEqual(
    lines.filter((line) => /^(away|switch)\.2/.test(line)),
    [
      "away.2 lb1: pool task out",
      "away.2 lb2: pool task out",
      "switch.2 w2: web switch, web health",
      "switch.2 w3: web switch, web health",
    ],
  );
});

test("refused where a balancer of the Fleet runs nothing: balancer-not-there", () => {
  const { observations, ...input } = inputOf(base);
  const lb2 = observations.get("lb2");
  assert.ok(lb2?.kind === "observed");
  const without = {
    ...base,
    components: { ...base.components, pool: { hosts: ["lb1"], version: "1.0.0", tasks: [out] } },
  };
  const empty = new Map([...observations, ["lb2", { ...lb2, components: [] }]]);
  assert.throws(() => makePlan({ ...input, release: planInput(without).release, observations: empty }), {
    code: "balancer-not-there",
    evidence: "lb2 runs no version of pool",
  });
});

test("a balancer that moves in the plan is asked in the version that it runs by then", () => {
  const moving = (dependsOn: Record<"web" | "pool", string[]>): World => ({
    ...base,
    components: {
      web: { ...web, dependsOn: dependsOn.web },
      pool: { hosts: ["lb1"], version: "2.0.0", tasks: [out], dependsOn: dependsOn.pool },
    },
  });
  const versionOf = (world: World, published: Partial<PlanInput> = {}) => {
    const plan = makePlan({ ...inputOf(world), ...published });
    return plan.steps.find(({ traffic }) => traffic === "away")?.work[0]?.groups[0]?.[0]?.version;
  };
  assert.equal(versionOf(moving({ web: ["pool"], pool: [] })), "2.0.0");
  const later = moving({ web: [], pool: ["web"] });
  const input = inputOf(later);
  const two = input.published.get("pool@2.0.0");
  assert.ok(two);
  const published = new Map([...input.published, ["pool@1.0.0", { ...two, version: "1.0.0" }]]);
  assert.equal(versionOf(later, { published }), "1.0.0");
});

const refusals: readonly { why: string; code: string; world: World; without?: readonly string[] }[] = [
  { why: "no host of the Fleet balances", code: "balancer-missing", world: base, without: ["lb1", "lb2"] },
  {
    why: "no host of the Fleet balances what is installed for the first time",
    code: "balancer-missing",
    world: { ...base, observed: Object.fromEntries(web.hosts.map((host) => [host, { web: { current: undefined } }])) },
    without: ["lb1", "lb2"],
  },
  {
    why: "a balancer does not answer (P7)",
    code: "balancer-not-there",
    world: { ...base, observed: { lb2: "unreachable" } },
  },
  { why: "a balancer is on hold", code: "balancer-held", world: { ...base, holds: { lb2: "being mended" } } },
  { why: "its version lacks the task", code: "balancer-task-missing", world: { ...base, components: { web, pool: { hosts: ["lb1"], version: "1.0.0" } } } }, // biome-ignore format: one line
  { why: "the task has no undo", code: "balancer-task-missing", world: { ...base, components: { web, pool: { hosts: ["lb1"], version: "1.0.0", tasks: [{ ...out, hasUndo: false }] } } } }, // biome-ignore format: one line
  { why: "balancer and backend would switch in the same batch", code: "balancer-in-step", world: { ...base, components: { web: { ...web, hosts: ["h1", "w1"] }, pool: { hosts: ["h1"], tasks: [out] } }, policy: { canaries: 1, batchSize: 1 } } }, // biome-ignore format: one line
  {
    why: "all of them would leave at once",
    code: "last-backend",
    world: { ...base, policy: { canaries: 3, batchSize: 3 } },
  },
  { why: "the others do not answer", code: "last-backend", world: { ...base, observed: { w2: "unreachable", w3: "unreachable" } } }, // biome-ignore format: one line
];
for (const { why, code, world, without } of refusals)
  test(`refused where ${why}: ${code}`, () => {
    assert.throws(() => makePlan(inputOf(world, without)), { code, exitCode: 5 });
  });

test("the last one may leave where the balancer holds what arrives", () => {
  const alone: World = { ...base, components: { ...base.components, web: { ...web, hosts: ["w1"], hold: true } } };
  assert.equal(stepsOf(alone).length, 5);
});

test("a run claims the balancers that it asks: nothing else moves them meanwhile (R33)", () => {
  const plan = makePlan(inputOf(base));
  const mover = makePlan(planInput({ components: { pool: { hosts: ["lb1"], tasks: [out] } } }));
  const conflicts = conflictsBetween(claimsOf({ ...mover, release: "edge" }), claimsOf(plan));
  assert.deepEqual(conflicts, [{ kind: "claimed", component: "pool", hosts: ["lb1"] }]);
});

test("a slice brings the balancers of what it switches, and no others (R29)", () => {
  const plan = makePlan(inputOf(base));
  const cut = (term: SliceTerm) => slicePlan({ plan, terms: [term], labelsOf: () => ({}) })?.plan;
  const sliced = cut([{ key: "host", value: "w2" }]);
  assert.deepEqual(sliced && outlinePlan(sliced).filter((line) => /pool|switch/.test(line)), [
    "away.2 lb1: pool task out",
    "away.2 lb2: pool task out",
    "switch.2 w2: web switch, web health",
    "back.2 lb1: pool undo task out",
    "back.2 lb2: pool undo task out",
  ]);
  assert.equal(cut([{ key: "component", value: "pool" }]), undefined);
});
