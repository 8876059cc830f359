// Expand/contract migrations over plans: one step after the other, everywhere, and never back below what was contracted (R39).
import assert from "node:assert/strict";
import test from "node:test";
import type { MigrationStep } from "../../../src/model/migration.ts";
import type { TaskPlace } from "../../../src/model/task.ts";
import { checkMigrations, type MigrationViolation } from "../../../src/plan/check-migrations.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import type { KnownVersions } from "../../../src/plan/migration-book.ts";
import { planInput, type World } from "../../support/plan-input.ts";

/** `api@1.1.0`: `expand` of `orders`; `-` names no migration. Published in this order. */
type Versions = Readonly<Record<string, MigrationStep | "-">>;

const history: Versions = {
  "api@1.0.0": "-",
  "api@1.1.0": "expand",
  "api@1.2.0": "double-write",
  "api@2.0.0": "contract",
  "api@3.0.0": "-",
};

function knownAs(versions: Versions): KnownVersions {
  const entries = Object.entries(versions).map(([key, step], sequence) => {
    const [component = "", version = ""] = key.split("@");
    return [key, { component, version, sequence, ...(step === "-" ? {} : { migrations: { orders: step } }) }] as const;
  });
  return new Map(entries);
}

function check(world: World, versions: Versions = history): string[] {
  const input = planInput(world);
  const tasked = [...input.published.values()].filter(({ tasks = [] }) => tasks.length > 0);
  const known = new Map(
    [...knownAs(versions)].map(([key, version]) => {
      const { tasks: [task] = [] } = tasked.find((each) => key === `${each.component}@${each.version}`) ?? {};
      return [key, { ...version, ...(task === undefined ? {} : { migrationTasks: { orders: task.name } }) }];
    }),
  );
  const found = checkMigrations({ plan: makePlan(input), observations: input.observations, known });
  return found.map(said);
}

function said(each: MigrationViolation): string {
  switch (each.kind) {
    case "apart":
      return `${each.step}: ${each.left.host} ${each.rule.left} ${each.left.version}, ${each.right.host} ${each.rule.right} ${each.right.version}: ${each.problem.replace(/,.*/, "")}`;
    case "skipped":
      return `${each.hosts.join()} ${each.component} ${each.from} → ${each.to} leaves out ${each.missing}`;
    case "irreversible":
      return `${each.hosts.join()} ${each.component} ${each.from} → ${each.to} is too late`;
    case "unknown":
      return `${each.component} ${each.version} unknown`;
    case "early":
      return `${each.step}: ${each.task} while ${each.component} ${each.version} runs on ${each.hosts.join()}`;
  }
}
const move = (from: string, version: string, hosts = ["h1"]): World => ({
  components: { api: { hosts, version } },
  observed: Object.fromEntries(hosts.map((host) => [host, { api: { current: from } }])),
});

test("one step forward or back is allowed, also where old and new run side by side", () => {
  for (const [from, to] of [
    ["1.0.0", "1.1.0"],
    ["1.1.0", "1.2.0"],
    ["1.2.0", "2.0.0"],
    ["1.2.0", "1.1.0"],
    ["1.1.0", "1.0.0"],
  ] as const)
    assert.deepEqual(check(move(from, to, ["h1", "h2", "h3"])), [], `${from} → ${to}`);
});

test("no step is left out, forwards or back, also on a single host", () => {
  assert.deepEqual(check(move("1.0.0", "1.2.0")), ["h1 api 1.0.0 → 1.2.0 leaves out 1"]);
  assert.deepEqual(check(move("1.1.0", "2.0.0")), ["h1 api 1.1.0 → 2.0.0 leaves out 2"]);
  assert.deepEqual(check(move("1.2.0", "1.0.0")), ["h1 api 1.2.0 → 1.0.0 leaves out 1"]);
  assert.deepEqual(check(move("1.0.0", "1.2.0", ["h1", "h2"])), [
    "h1,h2 api 1.0.0 → 1.2.0 leaves out 1",
    "switch.1: h2 api 1.0.0, h1 api 1.2.0: not begun beside double-write",
  ]);
});

test("below a contract that was committed nothing goes back; a trial of it does", () => {
  assert.deepEqual(check(move("2.0.0", "1.2.0")), ["h1 api 2.0.0 → 1.2.0 is too late"]);
  const trial = move("2.0.0", "1.2.0");
  const seen = { api: { current: "2.0.0", committed: "1.2.0", state: "confirmed" as const } };
  assert.deepEqual(check({ ...trial, observed: { h1: seen } }), []);
});

test("a later version that names the migration no more is past it, an amended older one is not", () => {
  assert.deepEqual(check(move("2.0.0", "3.0.0", ["h1", "h2"])), []);
  assert.deepEqual(check(move("1.2.0", "3.0.0")), []);
  const { "api@1.0.0": first = "-", ...others } = history;
  const amended = { ...others, "api@1.0.0": first };
  assert.deepEqual(check(move("2.0.0", "1.0.0"), amended), ["h1 api 2.0.0 → 1.0.0 is too late"]);
});

test("every component that names the migration counts, on whatever host, and what the plan leaves alone (R39)", () => {
  const versions: Versions = { ...history, "jobs@1.0.0": "-", "jobs@1.1.0": "expand", "jobs@1.2.0": "double-write" };
  const both = (jobs: string, more: Partial<World> = {}): World => ({
    components: { api: { hosts: ["a1"], version: "1.2.0" }, jobs: { hosts: ["j1"], version: "1.1.0" } },
    observed: { a1: { api: { current: "1.1.0" } }, j1: { jobs: { current: jobs } } },
    ...more,
  });
  // By name the canary is a1: jobs has not begun while api writes both.
  assert.deepEqual(check(both("1.0.0"), versions), [
    "switch.1: a1 api 1.2.0, j1 jobs 1.0.0: double-write beside not begun",
  ]);
  assert.deepEqual(check(both("1.1.0"), versions), []);
  assert.deepEqual(check({ ...both("1.1.0"), holds: { j1: "disk" } }, versions), []);
  const held = { ...move("1.1.0", "1.2.0", ["h1", "h2"]), holds: { h2: "disk" } };
  const observed = { h1: { api: { current: "1.1.0" } }, h2: { api: { current: "1.0.0" } } };
  assert.deepEqual(check({ ...held, observed }), [
    "switch.1: h2 api 1.0.0, h1 api 1.2.0: not begun beside double-write",
  ]);
});

test("what contracts runs when nothing uses the old form any more, on no host, held ones included (R39)", () => {
  const contracting = (at: TaskPlace, holds = {}): World => {
    const shrink = { name: "shrink", at, scope: "once" as const, hasUndo: false, canDryRun: false };
    const world = move("1.2.0", "2.0.0", ["h1", "h2", "h3"]);
    return { ...world, components: { api: { hosts: ["h1", "h2", "h3"], version: "2.0.0", tasks: [shrink] } }, holds };
  };
  for (const at of ["after-switch", "finish"] as const) assert.deepEqual(check(contracting(at)), [], at);
  for (const at of ["prepare", "before-switch"] as const)
    assert.deepEqual(check(contracting(at)), ["once.1: h1/api/shrink while api 1.2.0 runs on h1,h2,h3"], at);
  assert.deepEqual(check(contracting("finish", { h2: "disk" })), ["once.1: h1/api/shrink while api 1.2.0 runs on h2"]);
});

test("a running version that nobody can read is unknown, and unknown is not good (P7)", () => {
  const { "api@1.0.0": _, ...gone } = history;
  assert.deepEqual(check(move("1.0.0", "1.1.0"), gone), ["api 1.0.0 unknown"]);
  assert.deepEqual(check(move("1.0.0", "3.0.0"), { "api@3.0.0": "-" }), [], "nobody names a migration");
});

test("a first install starts anywhere that fits beside what runs", () => {
  const fresh = move("1.2.0", "1.2.0", ["h1", "h2"]);
  const observed = (current: string) => ({ h1: { api: { current } }, h2: { api: {} } });
  assert.deepEqual(check({ ...fresh, observed: observed("1.2.0") }), []);
  assert.deepEqual(check({ ...fresh, observed: observed("1.0.0"), holds: { h1: "disk" } }), [
    "switch.1: h1 api 1.0.0, h2 api 1.2.0: not begun beside double-write",
  ]);
});
