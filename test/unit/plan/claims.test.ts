// Whether two runs may go on side by side: by what their plans change, the ports they need, and what goes before what (R33).
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Plan } from "../../../src/model/plan.ts";
import { claimsOf, conflictsBetween } from "../../../src/plan/claims.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput, type World } from "../../support/plan-input.ts";

/** What is left at its version by `observed` changes nothing, and so is not claimed. */
const planOf = (world: World, release = "shop"): Plan => ({ ...makePlan(planInput(world)), release });
const conflicts = (wanted: Plan, held: Plan) => conflictsBetween(claimsOf(wanted), claimsOf(held));
const settled = (components: readonly string[]) =>
  Object.fromEntries(components.map((component) => [component, { current: "2.0.0" }]));

test("R33: A and B, and C and D, go on side by side on the same hosts; A and A does not, and says where", () => {
  const first = planOf({ components: { a: { hosts: ["h1", "h2"] }, b: { hosts: ["h1"] } } });
  const second = planOf({ components: { c: { hosts: ["h1", "h2"] }, d: { hosts: ["h2"] } } }, "other");
  assert.deepEqual(conflicts(second, first), []);
  const third = planOf({ components: { a: { hosts: ["h2", "h3"] }, d: { hosts: ["h1"] } } }, "other");
  assert.deepEqual(conflicts(third, first), [{ kind: "claimed", component: "a", hosts: ["h2"] }]);
});

test("the same component of two releases on different hosts is no conflict; within one release it is", () => {
  const here = planOf({ components: { a: { hosts: ["h1"] } } });
  const there = { components: { a: { hosts: ["h2"] } } };
  assert.deepEqual(conflicts(planOf(there, "other"), here), []);
  assert.deepEqual(conflicts(planOf(there), here), [{ kind: "related", component: "a", other: "a" }]);
});

test("two components that want one port of a host wait for each other; on different hosts they do not", () => {
  const web = planOf({ components: { web: { hosts: ["h1", "h2", "h3"], ports: [80, 443] } } });
  const proxy = (hosts: string[]) => planOf({ components: { proxy: { hosts, ports: [443] } } }, "edge");
  assert.deepEqual(conflicts(proxy(["h2", "h3", "h4"]), web), [
    { kind: "port", port: 443, component: "web", hosts: ["h2", "h3"] },
  ]);
  assert.deepEqual(conflicts(proxy(["h4"]), web), []);
});

test("the ports of the version that is left are taken as well: it serves until the switch, and again on a way back", () => {
  const input = planInput({ components: { web: { hosts: ["h1"], ports: [443] } }, observed: { h1: { web: { current: "1.0.0" } } } }); // biome-ignore format: one line
  const now = input.published.get("web@2.0.0") ?? assert.fail();
  const published = new Map([...input.published, ["web@1.0.0", { ...now, version: "1.0.0", needsPorts: [80] }]]);
  const moved = makePlan({ ...input, published });
  assert.deepEqual(moved.needs?.ports, { "web@1.0.0": [80], "web@2.0.0": [443] });
  const other = (port: number) => planOf({ components: { proxy: { hosts: ["h1"], ports: [port] } } }, "edge");
  for (const port of [80, 443]) assert.deepEqual(conflicts(other(port), moved), [{ kind: "port", port, component: "web", hosts: ["h1"] }]); // biome-ignore format: one line
  assert.deepEqual(conflicts(other(8080), moved), []);
});

test("what goes before or after something that moves waits, also through components that do not change; a sibling does not", () => {
  const components: World["components"] = {
    db: { hosts: ["h1"] },
    cache: { hosts: ["h2"], dependsOn: ["db"] },
    api: { hosts: ["h3"], dependsOn: ["cache"] },
    batch: { hosts: ["h4"], dependsOn: ["db"] },
    view: { hosts: ["h5"], consumes: ["api"] },
  };
  const only = (moving: string) => {
    const still = Object.entries(components).filter(([name]) => name !== moving);
    return planOf({
      components,
      observed: Object.fromEntries(still.map(([name, { hosts }]) => [hosts[0] ?? "", settled([name])])),
    });
  };
  const wait = (component: string, other: string) => [{ kind: "related", component, other }];
  assert.deepEqual(conflicts(only("api"), only("db")), wait("api", "db"));
  assert.deepEqual(conflicts(only("db"), only("api")), wait("db", "api"));
  assert.deepEqual(conflicts(only("view"), only("api")), wait("view", "api"));
  assert.deepEqual(conflicts(only("batch"), only("api")), []);
});

test("components whose versions must not be too far apart do not move beside each other (R39)", () => {
  const skew = [{ of: "db", ahead: "1 minor", scope: "fleet" }] as const;
  const components: World["components"] = { db: { hosts: ["h1"] }, api: { hosts: ["h2"], skew } };
  const [db, api] = [
    planOf({ components, observed: { h2: settled(["api"]) } }),
    planOf({ components, observed: { h1: settled(["db"]) } }),
  ];
  assert.deepEqual(conflicts(api, db), [{ kind: "related", component: "api", other: "db" }]);
  assert.deepEqual(conflicts(db, api), [{ kind: "related", component: "db", other: "api" }]);
});

test("a component that another one needs on the same host does not move while that one does, whatever release it is of", () => {
  const app = planOf({ components: { app: { hosts: ["h1"], beside: ["runtime"] } } });
  const runtime = (hosts: string[]) => planOf({ components: { runtime: { hosts } } }, "base");
  assert.deepEqual(conflicts(runtime(["h1"]), app), [{ kind: "related", component: "runtime", other: "app" }]);
  assert.deepEqual(conflicts(app, runtime(["h1"])), [{ kind: "related", component: "app", other: "runtime" }]);
  assert.deepEqual(conflicts(app, runtime(["h2"])), []);
});

test("a plan leaves alone what an open run brings just now, and only that: the rest of the host moves, the hash stays (P12)", () => {
  const world: World = { components: { a: { hosts: ["h1", "h2"] }, c: { hosts: ["h1"] } } };
  const whole = makePlan(planInput(world));
  const beside = makePlan(planInput({ ...world, claimed: ["h1/a", "h2/a"] }));
  assert.deepEqual(
    beside.changes.map(({ host, component }) => `${host}/${component}`),
    ["h1/c"],
  );
  assert.deepEqual(beside.held.map(({ reason }) => reason), ["claimed", "claimed"]); // biome-ignore format: one line
  assert.equal(beside.hash, whole.hash);
  assert.deepEqual(conflicts(beside, planOf({ components: { a: { hosts: ["h1", "h2"] } } })), []);
});

test("whoever comes first: two plans conflict both ways or not at all, and never when nothing is shared or related", () => {
  const names = ["a", "b", "c", "d"];
  const hosts = ["h1", "h2", "h3"];
  const release = fc.dictionary(
    fc.constantFrom(...names),
    fc.record({
      hosts: fc.subarray(hosts, { minLength: 1 }),
      ports: fc.subarray([80, 443]),
      beside: fc.subarray(["a"]),
    }),
    { minKeys: 1 },
  );
  fc.assert(
    fc.property(release, release, fc.boolean(), (one, two, same) => {
      const [first, second] = [planOf({ components: one }), planOf({ components: two }, same ? "shop" : "other")];
      const [there, back] = [conflicts(first, second), conflicts(second, first)];
      assert.equal(there.length > 0, back.length > 0);
      const shares = Object.entries(one).some(([name, { hosts: mine }]) =>
        mine.some((host) => two[name]?.hosts.includes(host)),
      );
      if (shares) assert.ok(there.some(({ kind }) => kind === "claimed"));
    }),
    { numRuns: 300 },
  );
});
