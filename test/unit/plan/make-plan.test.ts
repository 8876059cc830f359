// The planner over random fleets: what every plan must hold, whatever git asks and hosts report.
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { Plan, Step } from "../../../src/model/plan.ts";
import type { TaskKind } from "../../../src/model/task.ts";
import { makePlan, type PlanInput } from "../../../src/plan/make-plan.ts";
import { orderStacks } from "../../../src/plan/order-stacks.ts";
import { planInput, type SeenComponent, type WantedComponent, type World } from "../../support/plan-input.ts";

const names = ["api", "cache", "db", "gateway", "runtime", "worker"];
const hostNames = ["h1", "h2", "h3", "h4", "h5"];
const seenComponent: fc.Arbitrary<SeenComponent> = fc.constantFrom<SeenComponent>(
  {},
  { current: "1.0.0" },
  { current: "2.0.0" },
  { current: "1.1.0", committed: "1.0.0" },
  { current: "2.0.0", committed: "1.0.0", state: "confirmed" },
  { current: "2.0.0", committed: "1.0.0", state: "trial" },
);

/**
 * Any subset of the names in any order; dependencies only on names before it in that order, consumers only of names after it,
 * so there is no circle.
 */
const world: fc.Arbitrary<World> = fc
  .record({
    order: fc.shuffledSubarray(names, { minLength: 1 }),
    parts: fc.array(
      fc.record({
        hosts: fc.subarray(hostNames, { minLength: 1 }),
        needs: fc.array(fc.nat(), { maxLength: 2 }),
        takes: fc.array(fc.nat(), { maxLength: 1 }),
        drain: fc.boolean(),
        backup: fc.boolean(),
        health: fc.boolean(),
      }),
      { minLength: names.length, maxLength: names.length },
    ),
    observed: fc.dictionary(
      fc.constantFrom(...hostNames),
      fc.oneof(fc.constant("unreachable" as const), fc.dictionary(fc.constantFrom(...names), seenComponent)),
    ),
    canaries: fc.nat(2),
    batchSize: fc.constantFrom<number | `${number}%`>(1, 2, 3, "25%", "50%", "100%"),
  })
  .map(({ order, parts, observed, canaries, batchSize }) => {
    const components: Record<string, WantedComponent> = {};
    for (const [index, name] of order.entries()) {
      const { needs = [], takes = [], hosts = [], ...flags } = parts[index] ?? {};
      const above = order.slice(index + 1);
      const below = index === 0 ? [] : [...new Set(needs.map((need) => order[need % index] ?? ""))];
      const consumes = above.length === 0 ? [] : takes.map((take) => above[take % above.length] ?? "");
      components[name] = { hosts, dependsOn: below, consumes, ...flags };
    }
    return { components, observed, policy: { canaries, batchSize } };
  });

const settings = { numRuns: 300 };
const places = (plan: Plan, kind: TaskKind) =>
  plan.steps.flatMap((step, index) =>
    step.work.flatMap(({ host, groups }) =>
      groups.flatMap((group, position) =>
        group
          .filter((task) => task.kind === kind && task.action === "do")
          .map(({ component }) => ({ step, index, host, position, component })),
      ),
    ),
  );

test("the same inputs in any order give the same bytes and the same hash (P12)", () => {
  fc.assert(
    fc.property(world, fc.infiniteStream(fc.nat()), (made, random) => {
      const input = planInput(made);
      const again = shuffleInput(input, () => random.next().value);
      assert.equal(JSON.stringify(makePlan(again)), JSON.stringify(makePlan(input)));
    }),
    settings,
  );
});

test("a different document digest, version or policy gives a different hash (P12)", () => {
  const made: World = { components: { api: { hosts: ["h1", "h2"] } } };
  const input = planInput(made);
  const other = [
    { ...input, generation: "other" },
    planInput({ ...made, policy: { soakSeconds: 1 } }),
    { ...planInput({ components: { api: { hosts: ["h1", "h2"], version: "2.0.1" } } }), generation: input.generation },
  ];
  const hashes = [input, ...other].map((each) => makePlan(each).hash);
  assert.equal(new Set(hashes).size, hashes.length);
});

test("every change is in exactly one commit, and in exactly one switch unless it already runs (P10)", () => {
  fc.assert(
    fc.property(world, (made) => {
      const plan = makePlan(planInput(made));
      const keys = (found: readonly { host: string; component: string }[]) =>
        found.map(({ host, component }) => `${host}/${component}`).sort();
      assert.deepEqual(keys(places(plan, "commit")), keys(plan.changes));
      const moving = plan.changes.filter(({ fromTree, toTree }) => fromTree !== toTree);
      for (const kind of ["distribute", "build", "check", "switch", "confirm"] as const)
        assert.deepEqual(keys(places(plan, kind)), keys(moving), kind);
    }),
    settings,
  );
});

test("a dependency switches before its dependant: earlier on a shared host, and never in a later step across hosts (R28)", () => {
  fc.assert(
    fc.property(world, (made) => {
      const plan = makePlan(planInput(made));
      const switches = places(plan, "switch");
      for (const { component, step, index, host, position } of switches) {
        const wanted = made.components[component];
        for (const need of wanted?.dependsOn ?? []) {
          const below = made.components[need]?.hosts ?? [];
          const local = wanted?.hosts.every((name) => below.includes(name));
          for (const other of switches.filter((each) => each.component === need)) {
            if (other.host === host)
              assert.ok(
                other.index < index || (other.index === index && other.position < position),
                `${step.id} ${host}`,
              );
            else if (!local) assert.ok(other.index < index, `${need} on ${other.host} before ${component} on ${host}`);
          }
        }
      }
    }),
    settings,
  );
});

test("a consumer has switched and been confirmed everywhere before any producer switches (R39)", () => {
  fc.assert(
    fc.property(world, (made) => {
      const plan = makePlan(planInput(made));
      const switches = places(plan, "switch");
      for (const { component, index } of places(plan, "confirm")) {
        for (const producer of made.components[component]?.consumes ?? [])
          for (const other of switches.filter((each) => each.component === producer))
            assert.ok(index < other.index, `${component} before ${producer} on ${other.host}`);
      }
    }),
    settings,
  );
});

test("the canary batch of a layer has at most as many hosts as the policy says, and no batch is larger than its size (P9)", () => {
  fc.assert(
    fc.property(world, (made) => {
      const { release } = planInput(made);
      const plan = makePlan(planInput(made));
      const switches = plan.steps.filter(({ kind }) => kind === "switch");
      for (const layer of orderStacks(release.components)) {
        const batches = switches.filter((step) => step.work.some(({ groups }) => hasAny(groups.flat(), layer.flat())));
        const [canary] = batches;
        if (canary && release.policy.canaries > 0) assert.ok(canary.work.length <= release.policy.canaries);
        const hosts = new Set(batches.flatMap(({ work }) => work.map(({ host }) => host))).size;
        const size = release.policy.batchSize;
        const largest =
          typeof size === "number" ? size : Math.max(1, Math.floor((hosts * Number.parseInt(size, 10)) / 100));
        for (const batch of release.policy.canaries > 0 ? batches.slice(1) : batches)
          assert.ok(batch.work.length <= largest, `${batch.id}: ${batch.work.length} > ${largest}`);
      }
    }),
    settings,
  );
});

test("nothing switches before every host has the bytes and passed its checks, and nothing is committed before all confirmed (R9, P4)", () => {
  fc.assert(
    fc.property(world, (made) => {
      const phases = makePlan(planInput(made)).steps.map(({ kind }) => kind);
      const rank: Record<string, number> = { distribute: 0, check: 1, switch: 2, confirm: 2, commit: 3 };
      assert.deepEqual(
        phases,
        [...phases].sort((a, b) => (rank[a] ?? 0) - (rank[b] ?? 0)),
      );
      for (const phase of ["distribute", "check", "commit"])
        assert.ok(phases.filter((each) => each === phase).length <= 1);
    }),
    settings,
  );
});

test("every switch step is followed at once by the confirm of the same hosts (P8)", () => {
  fc.assert(
    fc.property(world, (made) => {
      const { steps } = makePlan(planInput(made));
      for (const [index, step] of steps.entries()) {
        if (step.kind !== "switch") continue;
        assert.equal(steps[index + 1]?.kind, "confirm");
        assert.deepEqual(hostsOf(steps[index + 1]), hostsOf(step));
      }
    }),
    settings,
  );
});

test("missing observations and missing entries in git never plan an undo or a removal (P14)", () => {
  fc.assert(
    fc.property(world, fc.subarray(hostNames), fc.subarray(names), (made, unseen, gone) => {
      const input = planInput(made);
      const observations = new Map([...input.observations].filter(([host]) => !unseen.includes(host)));
      const components = input.release.components.filter(({ name }) => !gone.includes(name));
      const plan = makePlan({ ...input, observations, release: { ...input.release, components } });
      for (const change of plan.changes) {
        assert.ok(!unseen.includes(change.host));
        assert.ok(!gone.includes(change.component));
      }
      const tasks = plan.steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
      assert.deepEqual(
        tasks.filter(({ kind, action }) => action === "undo" && kind !== "drain"),
        [],
      );
    }),
    settings,
  );
});

test("a held host has no task at all, so nothing there moves without what it depends on (R6)", () => {
  fc.assert(
    fc.property(world, (made) => {
      const plan = makePlan(planInput(made));
      const held = new Set(plan.held.map(({ host }) => host));
      assert.deepEqual(
        plan.steps.flatMap(hostsOf).filter((host) => held.has(host)),
        [],
      );
    }),
    settings,
  );
});

test("once everything wanted is committed, the next plan is empty (R5)", () => {
  fc.assert(
    fc.property(world, ({ observed: _, ...made }) => {
      const components = Object.fromEntries(
        Object.entries(made.components).map(([name, component]) => [name, { ...component, version: "1.0.0" }]),
      );
      const plan = makePlan(planInput({ ...made, components }));
      assert.deepEqual([plan.changes, plan.steps, plan.held], [[], [], []]);
    }),
    { numRuns: 50 },
  );
});

test("a dependency circle is refused by name", () => {
  const made: World = {
    components: { a: { hosts: ["h1"], dependsOn: ["b"] }, b: { hosts: ["h1"], dependsOn: ["a"] } },
  };
  assert.throws(() => makePlan(planInput(made)), /dependency circle among a, b/);
});

function hostsOf(step: Step | undefined): string[] {
  return (step?.work ?? []).map(({ host }) => host);
}

function hasAny(tasks: readonly { readonly component: string }[], components: readonly string[]): boolean {
  return tasks.some(({ component }) => components.includes(component));
}

function shuffleInput(input: PlanInput, next: () => number): PlanInput {
  const shuffle = <T>(items: Iterable<T>): T[] =>
    [...items]
      .map((item) => ({ item, key: next() }))
      .sort((a, b) => a.key - b.key)
      .map(({ item }) => item);
  return {
    ...input,
    release: {
      ...input.release,
      components: shuffle(input.release.components).map((component) => ({
        ...component,
        dependsOn: shuffle(component.dependsOn),
        ...(component.consumes === undefined ? {} : { consumes: shuffle(component.consumes) }),
        targets: shuffle(component.targets),
      })),
    },
    observations: new Map(
      shuffle(input.observations).map(([host, seen]) => [
        host,
        seen.kind === "observed" ? { ...seen, components: shuffle(seen.components) } : seen,
      ]),
    ),
    published: new Map(shuffle(input.published)),
    holds: new Map(shuffle(input.holds)),
    quarantined: new Map(shuffle(input.quarantined)),
  };
}
