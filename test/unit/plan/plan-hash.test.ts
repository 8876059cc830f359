// What a reviewed plan's hash depends on, and what it must not depend on.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Observation } from "../../../src/model/observation.ts";
import { makePlan, type PlanInput } from "../../../src/plan/make-plan.ts";
import { intentOf } from "../../../src/plan/plan-hash.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const made = {
  components: {
    db: { hosts: ["h1"], backup: true },
    web: { hosts: ["h1", "h2", "h3", "h4"], dependsOn: ["db"], drain: true, health: true },
  },
} satisfies World;
const hashOf = (input: PlanInput): string => makePlan(input).hash;
const hash = hashOf(planInput(made));

/** The host is gone; what is known of it is what it said last. */
function lose(input: PlanInput, name: string): PlanInput {
  const seen = input.observations.get(name);
  assert.equal(seen?.kind, "observed");
  const lastKnown = { at: 0, components: seen.components };
  const gone: Observation = {
    kind: "unreachable",
    host: name,
    at: 1,
    code: "host-unreachable",
    message: "",
    lastKnown,
  };
  return { ...input, observations: new Map([...input.observations, [name, gone]]) };
}

test("the hash stays when a host goes away, is held or on trial, or when the version is quarantined (R4)", () => {
  const seen = (web: object): World => ({ ...made, observed: { h2: { web } } });
  const same: Readonly<Record<string, PlanInput>> = {
    unreachable: lose(planInput(made), "h2"),
    held: planInput({ ...made, holds: { h2: "maintenance" } }),
    "on trial": planInput(seen({ current: "2.0.0", committed: "1.0.0", state: "trial" })),
    "confirmed, and not committed": planInput(seen({ current: "2.0.0", committed: "1.0.0", state: "confirmed" })),
    drifted: planInput(seen({ current: "1.1.0", committed: "1.0.0" })),
    quarantined: planInput({ ...made, quarantined: ["web@2.0.0"] }),
  };
  for (const [what, input] of Object.entries(same)) {
    const plan = makePlan(input);
    assert.equal(plan.hash, hash, what);
    assert.deepEqual(intentOf(plan), intentOf(makePlan(planInput(made))), what);
  }
});

test("the hash is the same where a reboot undoes a trial and where it does not, and whatever else a host says of itself", () => {
  const input = planInput(made);
  const observations = new Map(
    [...input.observations].map(([host, seen]) => {
      assert.equal(seen.kind, "observed");
      const facts = { ...seen.facts, mode: "user" as const, systemd: false, tools: [], epoch: 9 };
      return [host, { ...seen, at: 99, facts }];
    }),
  );
  assert.equal(hashOf({ ...input, observations }), hash);
});

test("the hash moves with version, tree, task bundle and contract, order, tasks, policy, documents, and with where a host starts (R4, P12)", () => {
  const input = planInput(made);
  const version = input.published.get("web@2.0.0");
  assert.ok(version);
  const publishedAs = (part: object) => {
    const published = new Map([...input.published, ["web@2.0.0", { ...version, ...part }]]);
    return { ...input, published };
  };
  const { web, db } = made.components;
  const differing: Readonly<Record<string, PlanInput>> = {
    version: { ...planInput({ components: { db, web: { ...web, version: "2.0.1" } } }), generation: input.generation },
    tree: publishedAs({ tree: `sha256:${"0".repeat(64)}` }),
    strategy: publishedAs({ strategy: "exec" }),
    deadline: publishedAs({ deadlineSeconds: 60 }),
    tasks: publishedAs({ hasDrain: false }),
    floor: publishedAs({ floor: 2 }),
    "task bundle or contract": publishedAs({ contract: `sha256:${"1".repeat(64)}` }),
    order: { ...planInput({ components: { db, web: { ...web, dependsOn: [] } } }), generation: input.generation },
    policy: planInput({ ...made, policy: { soakSeconds: 1 } }),
    "rollback policy": planInput({ ...made, rollbackPolicy: "manual" }),
    generation: { ...input, generation: "other" },
    "where a host starts": planInput({ ...made, observed: { h3: { web: { current: "0.9.0" } } } }),
    "a host that has it already": planInput({ ...made, observed: { h3: { web: { current: "2.0.0" } } } }),
    "a first install": planInput({ ...made, observed: { h3: { web: { current: undefined } } } }),
  };
  const hashes = Object.entries(differing).map(([what, each]) => [what, hashOf(each)] as const);
  for (const [what, other] of hashes) assert.notEqual(other, hash, what);
  assert.equal(new Set(hashes.map(([, other]) => other)).size, hashes.length);
});

test("what waits is named: each intended change is in `changes` or in `waiting`, never in both (P12)", () => {
  const plan = makePlan(lose(planInput({ ...made, holds: { h3: "maintenance" } }), "h2"));
  const names = (part: readonly { host: string; component: string }[]) => part.map(({ host, component }) => `${host} ${component}`); // biome-ignore format: one line
  assert.deepEqual(names(plan.changes), ["h1 db", "h1 web", "h4 web"]);
  assert.deepEqual(names(plan.waiting), ["h2 web", "h3 web"]);
  assert.deepEqual(
    plan.waiting.map(({ from, to }) => [from, to]),
    [["1.0.0", "2.0.0"], ["1.0.0", "2.0.0"]], // biome-ignore format: one line
  );
});

test("10,000 hosts × 8 components are planned and hashed in seconds", () => {
  const hosts = Array.from({ length: 10_000 }, (_, index) => `h${String(index).padStart(5, "0")}`);
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const components = Object.fromEntries(
    names.map((name, index) => [name, { hosts, dependsOn: index === 0 ? [] : [names[index - 1] ?? ""] }]),
  );
  const input = planInput({ components });
  const started = process.cpuUsage();
  const plan = makePlan(input);
  const { user, system } = process.cpuUsage(started);
  assert.equal(plan.changes.length, 80_000);
  assert.ok(user + system < 10_000_000, `${Math.round((user + system) / 1_000)} ms of processor time`);
});
