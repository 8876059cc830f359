// Slices of a plan: what they hold, bring, leave, and what keeps them from being run alone (R29).
import assert from "node:assert/strict";
import { test } from "node:test";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { parseSlice } from "../../../src/plan/parse-slice.ts";
import { type Slice, slicePlan } from "../../../src/plan/slice-plan.ts";
import { labelsOfWorld, worldInput } from "../../support/arbitrary-world.ts";
import type { World } from "../../support/plan-input.ts";
import { outlinePlan } from "../../support/plan-outline.ts";
import { releaseReview } from "../../support/review-input.ts";

const world: World = {
  components: {
    database: { hosts: ["db1", "db2"], backup: true },
    api: { hosts: ["web1", "web2", "web3"], dependsOn: ["database"], drain: true, health: true },
  },
  labels: {
    db1: { plane: "control", site: "north" },
    db2: { plane: "control", site: "south" },
    web1: { site: "north" },
    web2: { site: "south" },
    web3: { site: "south" },
  },
  policy: { canaries: 2, batchSize: 1 },
};
const plan = makePlan(worldInput(world));

function sliced(texts: readonly string[], of: World = world): Slice | undefined {
  const terms = texts.map((text) => parseSlice(text) ?? assert.fail(text));
  return slicePlan({ plan: makePlan(worldInput(of)), terms, labelsOf: labelsOfWorld(of) });
}
const outline = (slice: Slice | undefined) => (slice === undefined ? [] : outlinePlan(slice.plan));

test("a phase alone is a plan with its own hash: it brings what its switches stand on, and says what it leaves", () => {
  const slice = sliced(["phase=control-plane"]);
  assert.deepEqual(outline(slice), [
    "distribute db1: database distribute, database build",
    "distribute db2: database distribute, database build",
    "check db1: database check",
    "check db2: database check",
    "switch.1 db1: database backup, database switch",
    "switch.1 db2: database backup, database switch",
    "confirm.1 db1: database confirm",
    "confirm.1 db2: database confirm",
  ]);
  const hosts = ["db1", "db2"];
  assert.deepEqual(slice?.plan.slice, {
    of: plan.hash,
    terms: ["phase=control-plane"],
    brought: ["distribute", "build", "check"].map((task) => ({ task, component: "database", hosts })),
    left: [{ task: "commit", component: "database", hosts }],
    untouched: [{ component: "api", hosts: 3 }],
  });
  assert.deepEqual(slice?.missing, []);
  assert.deepEqual(
    slice?.plan.changes.map(({ host }) => host),
    hosts,
  );
  assert.notEqual(slice?.plan.hash, plan.hash);
  assert.equal(sliced(["phase=control-plane"])?.plan.hash, slice?.plan.hash);
});

test("commas narrow, a second one widens, labels count like keys, and a star stands for any text", () => {
  const hostsOf = (...texts: string[]) => [...new Set(sliced(texts)?.plan.changes.map(({ host }) => host))];
  assert.deepEqual(hostsOf("task=build,site=south"), ["db2", "web2", "web3"]);
  assert.deepEqual(hostsOf("task=build,site=south,component=api"), ["web2", "web3"]);
  assert.deepEqual(hostsOf("task=build,host=db1", "task=build,host=web3"), ["db1", "web3"]);
  assert.deepEqual(hostsOf("task=build,host=web*"), ["web1", "web2", "web3"]);
  assert.deepEqual(hostsOf("task=build,site=w.*"), [], "a dot is a dot");
  assert.equal(sliced(["host=db1,component=api"]), undefined);
});

test("bytes and checks alone are a slice: the hosts are ready, and nothing moved (R9)", () => {
  const slice = sliced(["task=check"]);
  assert.deepEqual([...new Set(slice?.plan.steps.map(({ kind }) => kind))], ["distribute", "check"]);
  assert.deepEqual(slice?.plan.slice?.left.map(({ task }) => task).sort(), ["backup", "commit", "commit", "confirm", "confirm", "drain", "health", "switch", "switch"]); // biome-ignore format: one line
});

test("a switch asked for by one of its tasks comes whole, with drain, health and its confirm (P8)", () => {
  for (const task of ["switch", "drain", "health", "confirm"]) {
    const lines = outline(sliced([`task=${task},component=api,host=web2`, "component=database"]));
    assert.ok(lines.some((line) => /^switch\.\d web2: api drain, api switch, api health, api undo drain$/.test(line)), lines.join("\n")); // biome-ignore format: one line
    assert.ok(lines.some((line) => /^confirm\.\d web2: api confirm$/.test(line)));
  }
});

test("what other hosts or components must do first is not brought: it is said", () => {
  assert.deepEqual(sliced(["component=api"])?.missing, ["api comes after database, which is left out on db1, db2"]);
  assert.deepEqual(sliced(["host=web1", "host=db1"])?.missing, ["api comes after database, which is left out on db2"]);
  assert.deepEqual(sliced(["component=api,task=check"])?.missing, [], "checks stand on nothing of others");
});

test("a task that runs once has to be in the slice before the switches that it is for", () => {
  const once = { name: "migrate", at: "before-switch", scope: "once", hasUndo: false, canDryRun: false } as const;
  const of: World = { components: { api: { hosts: ["w1", "w2"], tasks: [once] } } };
  assert.deepEqual(sliced(["host=w2"], of)?.missing, ["api comes after its task w1/api/migrate, which is left out"]);
  assert.deepEqual(sliced(["host=w1"], of)?.missing, []);
  assert.deepEqual(outline(sliced(["task=migrate"], of)), [
    "distribute w1: api distribute, api build",
    "check w1: api check",
    "once.1 w1: api task migrate",
  ]);
});

test("a gate stays in front of what it was in front of, also where the slice has nothing before it", () => {
  const edits = [{ kind: "gate", name: "look", beforePhase: "data-plane", reason: "graphs first" }] as const;
  const ids = (text: string) => sliced([text, "task=check"], { ...world, edits })?.plan.steps.map(({ id }) => id) ?? [];
  assert.ok(!ids("phase=control-plane").includes("gate.look"));
  assert.ok(ids("component=*").includes("gate.look"));
  const api: World = { ...world, edits, components: { api: { hosts: ["web1"] } } };
  assert.deepEqual(sliced(["host=web1,task=switch"], api)?.plan.steps.map(({ id }) => id), ["distribute", "check", "gate.look", "switch.1", "confirm.1"]); // biome-ignore format: one line
});

test("transfers of a slice are those of its hosts", () => {
  const whole = { ...plan, transfers: releaseReview(world).plan.transfers ?? [] };
  const slice = slicePlan({
    plan: whole,
    terms: [parseSlice("host=web3,task=build") ?? []],
    labelsOf: labelsOfWorld(world),
  });
  assert.deepEqual(
    slice?.plan.transfers?.map(({ component, hosts }) => [component, hosts]),
    [["api", ["web3"]]],
  );
});

test("a text that is no term is none", () => {
  for (const text of ["", "phase", "phase=", "=x", "phase=a,", "phase=a,,host=b"])
    assert.equal(parseSlice(text), undefined, text);
  assert.deepEqual(parseSlice(" host = web1 , task=switch"), [
    { key: "host", value: "web1" },
    { key: "task", value: "switch" },
  ]);
});
