// Restore points in a plan, and whether the parts of one belong together (R17).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Plan } from "../../../src/model/plan.ts";
import type { BackupPart } from "../../../src/model/restore-point.ts";
import { checkRestorePoint, type TakenPart } from "../../../src/plan/check-restore-point.ts";
import { type ClockSample, clockOf, type HostClock, movedMs, uptimeAt } from "../../../src/plan/compare-clocks.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { parseSlice } from "../../../src/plan/parse-slice.ts";
import { putBackStep } from "../../../src/plan/restore-point.ts";
import { slicePlan } from "../../../src/plan/slice-plan.ts";
import { planInput, treeOf, type World } from "../../support/plan-input.ts";

const world: World = {
  components: {
    api: { hosts: ["h1", "h2"], dependsOn: ["database"] },
    cache: { hosts: ["h2"], backup: true },
    database: { hosts: ["h3"], backup: true },
  },
  restorePoint: { components: ["database", "cache"], withinMs: 500 },
};
const outline = ({ steps }: Pick<Plan, "steps">) =>
  steps.map(({ id, work }) => `${id}: ${work.flatMap(({ groups }) => groups.flat().map((task) => task.id)).join(" ")}`);
const savedIn = (plan: Plan) => outline(plan).filter((line) => line.startsWith("restore-point"));

test("R17, P4: beside a point each switch has a backup of its own: after a way back its host saves anew, or refuses the next trial", () => {
  const plan = makePlan(planInput(world));
  const switching = plan.steps.filter(({ kind }) => kind === "switch").flatMap(({ work }) => work);
  const saved = switching.flatMap(({ groups }) => groups.flat().filter(({ kind }) => kind === "backup").map(({ id }) => id)); // biome-ignore format: one line
  assert.deepEqual(saved.sort(), ["h2/cache/backup", "h3/database/backup"]);
  for (const { groups } of switching) {
    const kinds = groups.flat().map(({ kind }) => kind);
    assert.ok(!kinds.includes("backup") || kinds.indexOf("backup") < kinds.indexOf("switch"));
  }
});

test("R17: a point is taken of all its components together, before anything switches or runs a task", () => {
  const migrate = { name: "migrate", at: "prepare", scope: "host", hasUndo: true, canDryRun: false } as const;
  const components = { ...world.components, api: { hosts: ["h1", "h2"], tasks: [migrate] } };
  const plan = makePlan(planInput({ ...world, components }));
  const kinds = plan.steps.map(({ kind }) => kind);
  assert.deepEqual(kinds.slice(0, 4), ["distribute", "check", "restore-point", "task"]);
  assert.deepEqual(savedIn(plan), ["restore-point: h2/cache/backup h3/database/backup"]);
  assert.deepEqual(plan.restorePoint, world.restorePoint);
  assert.notEqual(
    plan.hash,
    makePlan(planInput({ ...world, components, restorePoint: { components: ["cache"], withinMs: 500 } })).hash,
    "it was agreed to",
  );
});

test("R17: components that do not change are saved as well, on hosts that are not left alone; where nothing switches, nothing is", () => {
  const settled = { h2: { cache: { current: "2.0.0" } }, h3: { database: { current: "2.0.0" } } };
  const plan = makePlan(planInput({ ...world, observed: settled }));
  assert.deepEqual(savedIn(plan), ["restore-point: h2/cache/backup h3/database/backup"]);
  const held = makePlan(planInput({ ...world, observed: settled, holds: { h3: "maintenance" } }));
  assert.deepEqual(savedIn(held), ["restore-point: h2/cache/backup"]);
  const done = {
    ...settled,
    h1: { api: { current: "2.0.0" } },
    h2: { api: { current: "2.0.0" }, cache: { current: "2.0.0" } },
  };
  assert.deepEqual(makePlan(planInput({ ...world, observed: done })).steps, []);
});

test("R17: a point of a component whose contract saves nothing is refused before anything is done", () => {
  const components = { ...world.components, cache: { hosts: ["h2"] } };
  assert.throws(() => makePlan(planInput({ ...world, components })), {
    code: "nothing-to-save",
    evidence: "cache 2.0.0",
  });
});

test("R17, R29: a slice that switches saves what it changes, and what the point holds beside the changes of the plan", () => {
  const observed = { h3: { database: { current: "2.0.0" } } };
  const plan = makePlan(planInput({ ...world, observed }));
  const slice = (text: string) =>
    slicePlan({ plan, terms: [parseSlice(text) ?? assert.fail(text)], labelsOf: () => ({}) })?.plan;
  assert.deepEqual(savedIn(slice("component=api") ?? assert.fail()), ["restore-point: h3/database/backup"]);
  assert.deepEqual(savedIn(slice("component=cache") ?? assert.fail()), [
    "restore-point: h2/cache/backup h3/database/backup",
  ]);
  assert.deepEqual(savedIn(slice("task=check") ?? assert.fail()), []);
});

const bootId = "01234567-89ab-cdef-0123-456789abcdef";
const sample = (sentAt: number, heardAt: number, uptimeCs: number): ClockSample => {
  return { sentAt, heardAt, reading: { uptimeCs, bootId } };
};

test("the answer that came fastest tells a host's clock, and how far it may be off (R17)", () => {
  const clock = clockOf([sample(1_000_000, 1_000_400, 520), sample(1_000_500, 1_000_510, 550), sample(1_001_000, 1_001_020, 600)]); // biome-ignore format: one line
  assert.deepEqual(clock, { bootId, offsetMs: 995_000, uncertaintyMs: 10 });
  assert.equal(uptimeAt(clock ?? assert.fail(), 1_002_001), 701, "never before the moment that was agreed");
  assert.equal(clockOf([]), undefined);
  const anew = { ...sample(1, 2, 3), reading: { uptimeCs: 3, bootId: bootId.replace("0", "1") } };
  assert.equal(clockOf([sample(1, 2, 3), anew]), undefined);
  const at = (offsetMs: number): HostClock => ({ bootId, offsetMs, uncertaintyMs: 10 });
  assert.deepEqual([movedMs(at(0), at(20)), movedMs(at(0), at(-100))], [0, 80]);
});

/** Our clock says `offsetMs` when the host was started; `fromMs` and `toMs` are in our clock. */
interface Saved {
  readonly place: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly offsetMs?: number;
  readonly uncertaintyMs?: number;
  readonly part?: Partial<BackupPart>;
  readonly after?: Partial<HostClock>;
}

const plan = makePlan(planInput(world));
const id = "r1.p1";

function taken({ place, fromMs, toMs, offsetMs = 0, uncertaintyMs = 10, part, after }: Saved): TakenPart {
  const [host = "", component = ""] = place.split("/");
  const before: HostClock = { bootId, offsetMs, uncertaintyMs };
  return {
    ...{ host, component, contract: "2.0.0", before, after: { ...before, ...after } },
    part: {
      ...{ point: id, version: "1.0.0", tree: treeOf(component, "1.0.0"), state: treeOf(component, "state") },
      ...{ fromCs: (fromMs - offsetMs) / 10, toCs: (toMs - offsetMs) / 10, wallMs: 0, bootId },
      ...part,
    },
  };
}

function verdictOf(...saved: readonly Saved[]) {
  const terms = { components: ["database", "cache"], withinMs: 500 };
  return checkRestorePoint({ id, terms, plan, parts: saved.map(taken) });
}
const problemsOf = (...saved: readonly Saved[]) => {
  const verdict = verdictOf(...saved);
  return verdict.kind === "torn" ? verdict.problems.map(({ text }) => text) : [];
};
const cache: Saved = { place: "h2/cache", fromMs: 5_000, toMs: 5_100 };
const database: Saved = { place: "h3/database", fromMs: 5_050, toMs: 5_200, offsetMs: -90_000 };

test("R17: parts of hosts whose clocks have nothing in common agree when they were taken at one moment of ours", () => {
  const verdict = verdictOf(database, cache);
  assert.equal(verdict.kind, "taken");
  assert.deepEqual(
    verdict.kind === "taken" ? { ...verdict.point, state: "", parts: verdict.point.parts.length } : undefined,
    {
      ...{ id, at: 5_000, withinMs: 500, spreadMs: 220, state: "", parts: 2 },
    },
  );
  const other = verdictOf(database, { ...cache, part: { state: treeOf("cache", "another") } });
  assert.notEqual(verdict.kind === "taken" && verdict.point.state, other.kind === "taken" && other.point.state);
});

test("R17: a part that is late or slow tears the point, and the evidence says who by how much", () => {
  assert.deepEqual(problemsOf(cache, { ...database, toMs: 5_900 }), [
    "h3/database is 420 ms too late for a point within 500 ms: it began 50 ms after h2/cache and took 850 ms; clocks are known to ±20 ms together",
  ]);
  assert.deepEqual(problemsOf(cache, { ...database, fromMs: 5_480, toMs: 5_480 }), []);
  assert.equal(
    problemsOf(cache, { ...database, fromMs: 5_490, toMs: 5_490 }).length,
    1,
    "what is not known is no pass",
  );
  assert.deepEqual(problemsOf({ ...cache, uncertaintyMs: 300 }, { ...database, uncertaintyMs: 250 }).length, 2);
  const alone = { ...database, toMs: 5_550, uncertaintyMs: 400 };
  assert.deepEqual(problemsOf(alone), [], "times of one host need no other clock");
});

test("R17: a clock that moved, a host that was started anew, another point, and versions that the plan does not start from tear it", () => {
  assert.match(problemsOf(cache, { ...database, after: { offsetMs: -89_900 } })[0] ?? "", /clock that moved by 80 ms/);
  assert.deepEqual(problemsOf(cache, { ...database, after: { offsetMs: -89_965 } }), [], "a little drift is none");
  assert.match(problemsOf({ ...cache, after: { bootId: "other" } }, database)[0] ?? "", /h2\/cache was started anew/);
  assert.match(problemsOf({ ...cache, part: { point: "r1.p0" } }, database)[0] ?? "", /of another point, r1\.p0/);
  assert.deepEqual(problemsOf({ ...cache, part: { version: "0.9.0" } }, database), [
    "h2/cache runs 0.9.0, and the plan starts from 1.0.0",
  ]);
  assert.deepEqual(problemsOf({ ...cache, part: { tree: treeOf("cache", "x") } }, database), [
    "h2/cache runs 1.0.0, of other files, and the plan starts from 1.0.0",
  ]);
  const settled = checkRestorePoint({
    ...{ id, terms: { components: ["cache"], withinMs: 500 }, plan: { changes: [] } },
    parts: [taken(cache)],
  });
  assert.deepEqual(settled.kind === "torn" && settled.problems[0]?.text, "h2/cache runs 1.0.0, and the plan starts from 2.0.0"); // biome-ignore format: one line
  assert.deepEqual(checkRestorePoint({ id, terms: { components: [], withinMs: 1 }, plan, parts: [] }).kind, "torn");
});

test("R17: a second way back of a run leaves alone what the first has put back: it was written to since", () => {
  const { steps } = makePlan(planInput(world));
  const parts = [
    { host: "h2", component: "cache" },
    { host: "h3", component: "database" },
  ];
  const point = { id: "p1", parts };
  const again = (...done: readonly string[]) =>
    putBackStep(steps, { point, run: "r1", nth: 2, isPutBack: (step, host) => done.includes(`${step}/${host}`) });
  assert.deepEqual(
    [again("rollback.restore-point/h2")].map((step) => [step?.id, step?.work.map(({ host }) => host)]),
    [["rollback.again2.restore-point", ["h3"]]],
  );
  assert.equal(again("rollback.restore-point/h2", "rollback.restore-point/h3"), undefined);
});
