// Stepping stones in plans: each host's next version, who waits, what a review agrees to (R16, R34).
import assert from "node:assert/strict";
import test from "node:test";
import { digestOf } from "../../../src/model/digest.ts";
import type { Plan } from "../../../src/model/plan.ts";
import type { PublishedVersion } from "../../../src/model/published-version.ts";
import { beyondApproved } from "../../../src/plan/compare-intent.ts";
import { emptyAtlas, makeFindWay } from "../../../src/plan/find-way.ts";
import { makePlan, type PlanInput } from "../../../src/plan/make-plan.ts";
import { intentOf } from "../../../src/plan/plan-hash.ts";
import { takePaths } from "../../../src/plan/take-paths.ts";
import { planInput, treeOf, type World } from "../../support/plan-input.ts";

/** `db@1.4.0`: versions that it takes hosts from, separated by blanks; null takes any. */
type Taken = Readonly<Record<string, string | null>>;
const ladder: Taken = { "db@1.0.0": null, "db@1.4.0": "1.0.0", "db@1.8.0": "1.4.0", "db@2.0.0": "1.8.0" };

interface Changed {
  readonly edit?: (input: PlanInput) => PlanInput;
  /** Stand for another contract each. */
  readonly contracts?: Readonly<Record<string, string>>;
}

/** The plan of a world in which these versions are published, each component's in this order; every hop costs the same. */
function stage(world: World, taken: Taken = ladder, { edit = (input) => input, contracts = {} }: Changed = {}) {
  const input = edit(planInput(world));
  const like = [...input.published.values()][0];
  assert.ok(like);
  const published = new Map<string, PublishedVersion>(input.published);
  for (const [index, [key, from]] of Object.entries(taken).entries()) {
    const [component = "", version = ""] = key.split("@");
    const upgrade = from === null ? {} : { upgrade: { from, via: [] } };
    const contract = digestOf(contracts[key] ?? key);
    const tree = treeOf(component, version);
    published.set(key, { ...like, component, version, sequence: index, tree, contract, ...upgrade });
  }
  const stones = Map.groupBy([...published.values()], ({ component }) => component);
  const atlas = {
    ...emptyAtlas,
    stones: new Map([...stones].map(([component, all]) => [component, all.map(({ version }) => version)])),
    fullBytes: new Map([...published.values()].map(({ tree }) => [tree, 100])),
  };
  const takes = (version: string, range: string) => range.split(" ").includes(version);
  const wayOf = makeFindWay({ ...input, published, atlas, takes });
  const { release, paths } = takePaths({ ...input, wayOf });
  return makePlan({ ...input, published, release, paths });
}
const moves = ({ changes }: Pick<Plan, "changes">) =>
  changes.map(({ host, component, from, to, further = [] }) =>
    [`${host} ${component} ${from ?? "new"} → ${to}`, ...further.map(({ version }) => version)].join(" → "),
  );
const runs = (...versions: (string | undefined)[]) =>
  Object.fromEntries(versions.map((current, index) => [`h${index + 1}`, { db: { current } as object }]));
const fleet: World = { components: { db: { hosts: ["h1", "h2", "h3"] } }, observed: runs("1.0.0", "1.8.0", undefined) };

test("each host goes to its own next stone, a first install goes direct, and the plan carries the whole way (R16)", () => {
  const plan = stage(fleet);
  assert.deepEqual(moves(plan), ["h1 db 1.0.0 → 1.4.0 → 1.8.0 → 2.0.0", "h2 db 1.8.0 → 2.0.0", "h3 db new → 2.0.0"]);
  assert.deepEqual(
    plan.paths?.map(({ from, via, to, hosts, bytesPerHost }) => [from, ...via, to, hosts.join(), bytesPerHost]),
    [["1.0.0", "1.4.0", "1.8.0", "2.0.0", "h1", 300]],
  );
  assert.deepEqual(Object.keys(plan.contracts ?? {}), ["db@1.4.0", "db@1.8.0", "db@2.0.0"]);
});

test("plan after plan leads to what is asked for, and then there is nothing left to do", () => {
  let current = "1.0.0";
  const seen: string[] = [];
  for (let pass = 0; pass < 9; pass += 1) {
    const plan = stage({ components: { db: { hosts: ["h1"] } }, observed: runs(current) });
    const [change] = plan.changes;
    if (change === undefined) break;
    current = change.to;
    seen.push(`${current}${plan.paths === undefined ? "" : "…"}`);
  }
  assert.deepEqual(seen, ["1.4.0…", "1.8.0…", "2.0.0"]);
});

test("a stone that waits for its commit is committed before the way goes on", () => {
  const observed = { h1: { db: { current: "1.4.0", committed: "1.0.0", state: "confirmed" as const } } };
  const plan = stage({ components: { db: { hosts: ["h1"] } }, observed });
  assert.deepEqual(moves(plan), ["h1 db 1.4.0 → 1.4.0 → 1.8.0 → 2.0.0"]);
  assert.deepEqual(new Set(plan.steps.map(({ kind }) => kind)), new Set(["commit"]));
});

test("the hash covers the whole way, and the same input in another order gives the same plan (P12)", () => {
  const shorter: Taken = { "db@1.0.0": null, "db@1.4.0": "1.0.0", "db@2.0.0": "1.4.0" };
  const plan = stage(fleet);
  assert.equal(moves(stage(fleet, shorter))[0], "h1 db 1.0.0 → 1.4.0 → 2.0.0");
  assert.notEqual(stage(fleet, shorter).hash, plan.hash);
  const otherContract = stage(fleet, ladder, { contracts: { "db@1.8.0": "another" } });
  assert.notEqual(otherContract.hash, plan.hash, "what a later stone does is agreed to as well");
  const turned = stage(fleet, Object.fromEntries(Object.entries(ladder).reverse()), {
    edit: (input) => ({
      ...input,
      observations: new Map([...input.observations].reverse()),
      release: {
        ...input.release,
        components: input.release.components.map((each) => ({ ...each, targets: [...each.targets].reverse() })),
      },
    }),
  });
  assert.equal(JSON.stringify(turned), JSON.stringify(plan));
});

test("a host that goes away on its way changes no hash: what is meant for it stays (R4)", () => {
  const lose = (input: PlanInput): PlanInput => {
    const seen = input.observations.get("h1");
    assert.equal(seen?.kind, "observed");
    const gone = { kind: "unreachable" as const, host: "h1", at: 1, code: "host-unreachable", message: "" };
    const lastKnown = { at: 0, components: seen.components };
    return { ...input, observations: new Map([...input.observations, ["h1", { ...gone, lastKnown }]]) };
  };
  const lost = stage(fleet, ladder, { edit: lose });
  assert.equal(lost.hash, stage(fleet).hash);
  assert.deepEqual(intentOf(lost), intentOf(stage(fleet)));
});

test("who comes after waits with its last step; who has stones of its own goes along; a first install waits as well", () => {
  const taken = { ...ladder, "api@1.0.0": null, "api@1.5.0": "1.0.0", "api@2.0.0": "1.5.0" };
  const world = (api: string | undefined, db: string): World => ({
    components: {
      db: { hosts: ["h1"] },
      api: { hosts: ["h2"], dependsOn: ["db"] },
      web: { hosts: ["h3"], dependsOn: ["api"] },
      lone: { hosts: ["h4"] },
    },
    observed: { ...runs(db), h2: { api: { current: api } }, h3: { web: { current: undefined } } },
  });
  const first = stage(world("1.0.0", "1.0.0"), taken);
  assert.deepEqual(moves(first), [
    "h1 db 1.0.0 → 1.4.0 → 1.8.0 → 2.0.0",
    "h2 api 1.0.0 → 1.5.0 → 2.0.0",
    "h4 lone 1.0.0 → 2.0.0",
  ]);
  assert.deepEqual(
    first.waiting.map(({ host, component, to }) => `${host} ${component} ${to}`),
    ["h3 web 2.0.0"],
  );
  assert.deepEqual(
    first.paths?.map(({ component, waitsFor }) => `${component} ${waitsFor ?? "goes"}`),
    ["api goes", "db goes", "web api"],
  );
  const second = stage(world("1.5.0", "1.4.0"), taken);
  assert.deepEqual(moves(second).slice(0, 1), ["h1 db 1.4.0 → 1.8.0 → 2.0.0"]);
  assert.deepEqual(
    second.waiting.map(({ component, from, to }) => `${component} ${from ?? "new"} → ${to}`),
    ["api 1.5.0 → 2.0.0", "web new → 2.0.0"],
  );
  const last = stage(world("1.5.0", "1.8.0"), taken);
  assert.deepEqual(moves(last), [
    "h1 db 1.8.0 → 2.0.0",
    "h2 api 1.5.0 → 2.0.0",
    "h3 web new → 2.0.0",
    "h4 lone 1.0.0 → 2.0.0",
  ]);
  assert.equal(last.paths, undefined);
});

test("versions that split or merge by selectors each have their own way (R34)", () => {
  const split = (input: PlanInput): PlanInput => {
    const [db] = input.release.components;
    assert.ok(db);
    const targets = db.targets.map((target) => (target.host === "h2" ? { ...target, version: "1.8.0" } : target));
    return { ...input, release: { ...input.release, components: [{ ...db, targets }] } };
  };
  const world = (...versions: string[]): World => ({
    components: { db: { hosts: ["h1", "h2"] } },
    observed: runs(...versions),
  });
  assert.deepEqual(moves(stage(world("1.0.0", "1.0.0"), ladder, { edit: split })), [
    "h1 db 1.0.0 → 1.4.0 → 1.8.0 → 2.0.0",
    "h2 db 1.0.0 → 1.4.0 → 1.8.0",
  ]);
  assert.deepEqual(moves(stage(world("2.0.0", "1.8.0"))), ["h2 db 1.8.0 → 2.0.0"], "merged again");
});

test("what is shown to be bad at the end of a way stops its beginning; a bad stone is gone round, or there is no way (P16)", () => {
  const bad = stage({ ...fleet, quarantined: ["db@2.0.0"] });
  assert.deepEqual([moves(bad), [...new Set(bad.held.map(({ reason }) => reason))]], [[], ["quarantined"]]);
  const around = { ...ladder, "db@2.0.0": "1.4.0 1.8.0" };
  assert.equal(
    moves(stage({ ...fleet, quarantined: ["db@1.8.0"], observed: runs("1.0.0", "2.0.0", "2.0.0") }, around))[0],
    "h1 db 1.0.0 → 1.4.0 → 2.0.0",
  );
  const none = stage({ ...fleet, quarantined: ["db@1.8.0"], observed: runs("1.0.0", "2.0.0", "2.0.0") });
  assert.deepEqual(
    none.paths?.map(({ via, rejected }) => [via.length, rejected.map(({ why }) => why)]),
    [[0, ['2.0.0 takes hosts from "1.8.0" only', '2.0.0 takes hosts from "1.8.0" only', "quarantined"]]],
  );
});

test("who approved the way approved its later stretches, and no other way (P12)", () => {
  const at = (version: string, taken: Taken = ladder) =>
    stage({ components: { db: { hosts: ["h1"] } }, observed: runs(version) }, taken);
  const approved = intentOf(at("1.0.0"));
  for (const version of ["1.0.0", "1.4.0", "1.8.0"])
    assert.deepEqual(beyondApproved(at(version), approved), [], version);
  const shortcut = { ...ladder, "db@2.0.0": "1.4.0 1.8.0" };
  assert.deepEqual(
    beyondApproved(at("1.4.0", shortcut), approved).map(({ text }) => text),
    ["starts at 1.4.0, not at 1.0.0"],
  );
  const longer = {
    "db@1.0.0": null,
    "db@1.4.0": "1.0.0",
    "db@1.6.0": "1.4.0",
    "db@1.8.0": "1.6.0",
    "db@2.0.0": "1.8.0",
  };
  assert.match(beyondApproved(at("1.0.0", longer), approved)[0]?.text ?? "", /^goes on to 1\.6\.0 .*, not to 1\.8\.0 /);
});
