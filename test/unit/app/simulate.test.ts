// What `cutover simulate` takes: fleets from the seed, documents, and a plan that was printed.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type SimulateRequest, simulate } from "../../../src/app/simulate.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput } from "../../support/plan-input.ts";
import { withTemporaryDirectory } from "../../support/temporary-directory.ts";

const releases = join(import.meta.dirname, "../../../releases");
const request: SimulateRequest = { source: undefined, firstSeed: 1, seeds: 4, hosts: undefined, faults: undefined };

test("the releases of documents keep their promises in simulated worlds", async () => {
  const { failure, seeds, runs } = await simulate({ ...request, source: releases });
  assert.deepEqual([failure, seeds], [undefined, 4]);
  assert.ok(runs >= 4);
});

test("a plan is simulated before it runs: printed by itself, or as cutover plan --json has it", () =>
  withTemporaryDirectory(async (directory) => {
    const hosts = ["h1", "h2", "h3"];
    const plan = makePlan(planInput({ components: { db: { hosts }, app: { hosts, dependsOn: ["db"], drain: true } } }));
    for (const [name, text] of Object.entries({ one: plan, all: { commit: "c", plans: [plan] } })) {
      const source = join(directory, `${name}.json`);
      await writeFile(source, JSON.stringify(text));
      const { failure, runs } = await simulate({ ...request, source });
      assert.equal(failure, undefined);
      assert.ok(runs >= 4);
    }
  }));

test("what cannot be simulated is said, with what can be typed instead", () =>
  withTemporaryDirectory(async (directory) => {
    const empty = join(directory, "empty.json");
    await writeFile(empty, "{}");
    await assert.rejects(simulate({ ...request, faults: ["flood"] }), {
      code: "usage",
      message: /there is no fault flood/,
    });
    await assert.rejects(simulate({ ...request, faults: ["carsh"] }), {
      message: /; did you mean crash\?$/,
      remedy: "cutover simulate --faults crash",
    });
    const idle = join(directory, "idle.json");
    const inSync = makePlan(planInput({ components: { app: { hosts: ["h1"], version: "1.0.0" } } }));
    await writeFile(idle, JSON.stringify(inSync));
    await assert.rejects(simulate({ ...request, source: idle }), { remedy: /^cutover simulate work\/releases/ });
    await assert.rejects(simulate({ ...request, source: empty }), { code: "usage", message: /holds no plan/ });
    await assert.rejects(simulate({ ...request, source: join(directory, "none") }), { code: "usage" });
    await assert.rejects(simulate({ ...request, source: releases, hosts: 5 }), { code: "usage", message: /--hosts/ });
  }));
