// Stepping stones by semver's ranges and by migrations: what the documents ask for, and what the next plan does (R16, R39).
import assert from "node:assert/strict";
import { test } from "node:test";
import { stageRelease } from "../../../src/app/stage-release.ts";
import type { MigrationStep } from "../../../src/model/migration.ts";
import type { PublishedVersion } from "../../../src/model/published-version.ts";
import { emptyAtlas } from "../../../src/plan/find-way.ts";
import { planInput, treeOf } from "../../support/plan-input.ts";

interface Stated {
  readonly from?: string;
  readonly step?: MigrationStep;
}

function stage(
  current: string,
  history: Readonly<Record<string, Stated>>,
  unfit: Readonly<Record<string, string>> = {},
) {
  const version = Object.keys(history).at(-1) ?? "";
  const input = planInput({ components: { api: { hosts: ["h1"], version } }, observed: { h1: { api: { current } } } });
  const [like] = input.published.values();
  assert.ok(like);
  const published = Object.entries(history).map(([version, { from, step }], sequence): PublishedVersion => {
    const upgrade = from === undefined ? {} : { upgrade: { from, via: [] } };
    const migrations = step === undefined ? {} : { migrations: { orders: step } };
    return { ...like, version, sequence, tree: treeOf("api", version), ...upgrade, ...migrations };
  });
  const { release, paths } = stageRelease({
    ...input,
    published: new Map(published.map((each) => [`api@${each.version}`, each])),
    atlas: { ...emptyAtlas, stones: new Map([["api", Object.keys(history)]]), unfit: new Map(Object.entries(unfit)) },
  });
  const [target] = release.components[0]?.targets ?? [];
  return { way: [target?.version, ...(target?.further ?? [])], paths };
}

test("a host within the range goes direct, one outside of it over a stone", () => {
  const history = { "1.0.0": {}, "1.4.0": {}, "2.0.0": { from: ">=1.4 <2" } };
  assert.deepEqual(stage("1.4.0", history), { way: ["2.0.0"], paths: [] });
  assert.deepEqual(stage("1.0.0", history).way, ["1.4.0", "2.0.0"]);
});

test("a stone that hosts would not take any more is gone round", () => {
  const history = { "1.0.0": {}, "1.4.0": {}, "1.5.0": {}, "2.0.0": { from: ">=1.4 <2" } };
  const { way, paths } = stage("1.0.0", history, { "api@1.4.0": "it expired" });
  assert.deepEqual(way, ["1.5.0", "2.0.0"]);
  assert.deepEqual(paths[0]?.rejected.at(-1), { way: "1.4.0", why: "it expired" });
});

test("where a version restricts where it comes from, no stretch passes over a step of a migration (R39)", () => {
  const history: Record<string, Stated> = {
    "1.0.0": {},
    "1.1.0": { step: "expand" },
    "1.2.0": { step: "double-write" },
    "2.0.0": { step: "contract", from: ">=1 <2" },
  };
  const { way, paths } = stage("1.0.0", history);
  assert.deepEqual(way, ["1.1.0", "1.2.0", "2.0.0"]);
  assert.deepEqual(paths[0]?.rejected, [{ way: "1.0.0 → 2.0.0", why: "1.0.0 → 2.0.0 passes over expand of orders" }]);
});

test("a version that is no semantic version is in no range", () => {
  assert.deepEqual(stage("r8", { r8: {}, "2.0.0": { from: ">=1" } }).paths[0]?.via, []);
});
