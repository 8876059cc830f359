// Version skew at every point of a plan, against a slow look at every state that its hosts can be in (R39).
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { Plan, Step } from "../../../src/model/plan.ts";
import { checkSkew, skewRules } from "../../../src/plan/check-skew.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { skewProblem, versionNumbers } from "../../../src/plan/version-distance.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const limit = (text: string) => {
  const [of = "", ahead, behind] = text.split("/");
  return { of, scope: "fleet" as const, ...(ahead ? { ahead } : {}), ...(behind ? { behind } : {}) };
};

function check(world: World) {
  const input = planInput(world);
  const plan = makePlan(input);
  const { components } = input.release;
  return { plan, found: checkSkew({ plan, components, observations: input.observations }) };
}
const said = (world: World) =>
  check(world).found.map(
    ({ step, left, right, problem, first }) =>
      `${step}: ${left.host} ${left.version} beside ${right.host} ${right.version}: ${problem}; first ${first}`,
  );

test("distances are counted in the largest unit that differs", () => {
  const between = (version: string, other: string) => skewProblem(limit("db/1 minor/0 minor"), { version, other });
  assert.equal(between("1.3.9", "1.2.0"), undefined);
  assert.equal(between("1.2.0", "1.2.7"), undefined);
  assert.equal(between("v1.4", "1.2.0"), "2 minor ahead, at most 1 minor is allowed");
  assert.equal(between("1.1.0", "1.2.0-rc1"), "1 minor behind, at most 0 minor is allowed");
  assert.equal(between("2.0.0", "1.9.0"), "1 major ahead, at most 1 minor is allowed");
  assert.match(between("r8", "1.9.0") ?? "", /^r8 does not start with numbers/);
  assert.equal(skewProblem(limit("db/1 major"), { version: "1.0.0", other: "9.0.0" }), undefined);
  assert.deepEqual(["v2", "10.4", "1.2.3+4", "r8", "1.2.3.4x"].map(versionNumbers), [
    [2, 0, 0],
    [10, 4, 0],
    [1, 2, 3],
    undefined,
    [1, 2, 3],
  ]);
});

const apart: World = {
  components: {
    api: { hosts: ["a1", "a2"], version: "1.3.0", skew: [limit("db/1 minor/0 minor")] },
    db: { hosts: ["a0"], version: "1.3.0" },
  },
  observed: { a1: { api: { current: "1.2.0" } }, a2: { api: { current: "1.2.0" } }, a0: { db: { current: "1.2.0" } } },
};

test("a limit that only the end of the plan keeps is refused, with the step, the hosts and the order that would do", () => {
  // With no edge between them only names order them: db is the canary, beside old ones of api.
  assert.deepEqual(said(apart), [
    "switch.1: a1 1.2.0 beside a0 1.3.0: 1 minor behind, at most 0 minor is allowed; first api",
  ]);
  const { api, db } = apart.components;
  assert.ok(api && db);
  const ordered = { ...apart, components: { api: { ...api, consumes: ["db"] }, db } };
  assert.deepEqual(said(ordered), []);
  const wrong = { ...apart, components: { api: { ...api, dependsOn: ["db"] }, db } };
  assert.deepEqual(said(wrong), [
    "switch.1: a1 1.2.0 beside a0 1.3.0: 1 minor behind, at most 0 minor is allowed; first api",
  ]);
});

test("what the plan leaves alone counts: a held or silent host keeps its old version (R39)", () => {
  const { api, db } = apart.components;
  assert.ok(api && db);
  const world = { ...apart, components: { api: { ...api, consumes: ["db"] }, db }, policy: { canaries: 2 } };
  assert.deepEqual(said({ ...world, holds: { a2: "disk" } }), [
    "switch.2: a2 1.2.0 beside a0 1.3.0: 1 minor behind, at most 0 minor is allowed; first undefined",
  ]);
  const input = planInput(world);
  const seen = input.observations.get("a2");
  assert.equal(seen?.kind, "observed");
  const lastKnown = { at: 0, components: seen.components };
  const observations = new Map([
    ...input.observations,
    ["a2", { kind: "unreachable" as const, host: "a2", at: 1, code: "host-unreachable", message: "", lastKnown }],
  ]);
  const plan = makePlan({ ...input, observations });
  const found = checkSkew({ plan, components: input.release.components, observations });
  assert.deepEqual(
    found.map(({ step, left }) => `${step} ${left.host}`),
    ["switch.2 a2"],
  );
});

test("a step that no order of two components allows needs a version in between", () => {
  const both = {
    api: { hosts: ["a1"], version: "1.4.0", skew: [limit("db/1 minor/1 minor")] },
    db: { hosts: ["d1"], version: "1.4.0" },
  };
  const observed = { a1: { api: { current: "1.2.0" } }, d1: { db: { current: "1.2.0" } } };
  const found = said({ components: both, observed, policy: { canaries: 2 } });
  assert.equal(found.length, 2);
  for (const line of found) assert.match(line, /2 minor (ahead|behind), at most 1 minor is allowed; first undefined$/);
});

test("what is too far apart before anything moves keeps no plan from mending it", () => {
  const world: World = {
    components: {
      api: { hosts: ["a1"], version: "1.4.0", skew: [limit("db/9 minor/1 minor")] },
      db: { hosts: ["d1"], version: "1.5.0" },
    },
    observed: { a1: { api: { current: "1.1.0" } }, d1: { db: { current: "1.5.0" } } },
  };
  assert.deepEqual(said(world), []);
});

const hosts = ["h1", "h2", "h3"];
const version = fc.constantFrom("1.0.0", "1.1.0", "1.2.0", "2.0.0");
const distance = fc.constantFrom("0 minor", "1 minor", "0 major", "1 major", "3 patch");
const world: fc.Arbitrary<World> = fc
  .record({
    parts: fc.array(
      fc.record({
        hosts: fc.subarray(hosts, { minLength: 1 }),
        version,
        edge: fc.constantFrom("none", "requires", "consumes"),
      }),
      {
        minLength: 2,
        maxLength: 2,
      },
    ),
    now: fc.array(version, { minLength: 6, maxLength: 6 }),
    scope: fc.constantFrom("fleet" as const, "host" as const),
    ahead: distance,
    behind: distance,
    held: fc.subarray(hosts, { maxLength: 1 }),
    canaries: fc.nat(2),
  })
  .map(({ parts: [a, b], now, scope, ahead, behind, held, canaries }): World => {
    assert.ok(a && b);
    const edge = a.edge === "requires" ? { dependsOn: ["b"] } : a.edge === "consumes" ? { consumes: ["b"] } : {};
    return {
      components: {
        a: { hosts: a.hosts, version: a.version, skew: [{ of: "b", scope, ahead, behind }], ...edge },
        b: { hosts: b.hosts, version: b.version },
      },
      observed: Object.fromEntries(
        hosts.map((host, index) => [host, { a: { current: now[index] ?? "" }, b: { current: now[index + 3] ?? "" } }]),
      ),
      holds: Object.fromEntries(held.map((host) => [host, "held"])),
      policy: { canaries, batchSize: 1 },
    };
  });

test("exactly the pairs that some order of events inside a step brings about are found, on fleets and on hosts", () => {
  fc.assert(
    fc.property(world, (made) => {
      const { plan, found } = check(made);
      const pairs = found.map(({ step, left, right }) => `${step} ${left.version} ${right.version}`);
      assert.deepEqual(pairs.sort(), slowly(made, plan).sort());
    }),
    { numRuns: 500 },
  );
});

/** Every combination of how far each host of a step has come, one after the other. */
function slowly(made: World, plan: Plan): string[] {
  const [rule] = skewRules(planInput(made).release.components);
  assert.ok(rule);
  const at = new Map<string, string>();
  for (const [component, { hosts: mine }] of Object.entries(made.components))
    for (const host of mine) {
      const seen = made.observed?.[host];
      if (seen !== "unreachable") at.set(`${host} ${component}`, seen?.[component]?.current ?? "1.0.0");
    }
  const start = new Set(forbidden(at, rule));
  const found = new Map<string, string>();
  for (const step of plan.steps) {
    const moves = step.work.map(({ host, groups }) => ({
      host,
      switches: groups.flat().filter(({ kind }) => kind === "switch"),
    }));
    if (!moves.some(({ switches }) => switches.length > 0)) continue;
    for (const state of statesOf(step, at, moves))
      for (const pair of forbidden(state, rule)) if (!start.has(pair) && !found.has(pair)) found.set(pair, step.id);
    for (const { host, switches } of moves)
      for (const task of switches) at.set(`${host} ${task.component}`, task.version);
  }
  return [...found].map(([pair, step]) => `${step} ${pair}`);
}

type Moves = {
  readonly host: string;
  readonly switches: readonly { readonly component: string; readonly version: string }[];
};

function statesOf(_: Step, at: ReadonlyMap<string, string>, moves: readonly Moves[]): Map<string, string>[] {
  return moves.reduce<Map<string, string>[]>(
    (states, { host, switches }) =>
      states.flatMap((state) =>
        Array.from({ length: switches.length + 1 }, (_each, done) => {
          const next = new Map(state);
          for (const task of switches.slice(0, done)) next.set(`${host} ${task.component}`, task.version);
          return next;
        }),
      ),
    [new Map(at)],
  );
}

function forbidden(state: ReadonlyMap<string, string>, rule: ReturnType<typeof skewRules>[number]): string[] {
  const of = (component: string) =>
    [...state].flatMap(([key, value]) =>
      key.endsWith(` ${component}`) ? [{ host: key.slice(0, 2), version: value }] : [],
    );
  return of(rule.left).flatMap((left) =>
    of(rule.right).flatMap((right) => {
      if (rule.scope === "host" && left.host !== right.host) return [];
      return rule.problem(left.version, right.version) === undefined ? [] : [`${left.version} ${right.version}`];
    }),
  );
}
