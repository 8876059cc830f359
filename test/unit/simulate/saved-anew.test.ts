// Switches that fail before they are on trial, in worlds where people decide: hours may pass before one tries again, and the old version goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderFailure } from "../../../src/cli/render-simulation.ts";
import { toText } from "../../../src/cli/text.ts";
import { makeScenario } from "../../../src/simulate/make-scenario.ts";
import { runScenario } from "../../../src/simulate/run-scenario.ts";
import type { Fault, Scenario } from "../../../src/simulate/scenario.ts";
import { simulateSeeds } from "../../../src/simulate/simulate-seeds.ts";

function scenarioOf(seed: number): Scenario {
  const base = makeScenario({ seed });
  const refused = base.components.map(({ name: component, to: version }): Fault => {
    return { kind: "bad-version", component, version, host: undefined, task: "arm", times: 2 };
  });
  return {
    ...base,
    rollbackPolicy: "manual",
    components: base.components.map((component) => ({ ...component, hasBackup: true })),
    faults: [...base.faults, ...refused],
  };
}

test("in 120 worlds nothing is switched on the strength of a backup that is older than a switch which failed (P4)", async () => {
  const { failure, runs } = await simulateSeeds({ firstSeed: 1, seeds: 120, scenarioOf });
  if (failure !== undefined) assert.fail(`\n${toText(renderFailure(failure), { color: false, width: undefined, overflow: "wrap" }).join("\n")}`); // biome-ignore format: one line
  assert.ok(runs > 120);
});

test("in these worlds such switches are tried again, with a backup before them", async () => {
  const lines: string[] = [];
  for (let seed = 1; seed <= 10; seed++) await runScenario(scenarioOf(seed), (line) => void lines.push(line));
  const count = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).length;
  assert.ok(count(/switch do failed.*arming-failed/) >= 5, lines.slice(0, 5).join("\n"));
  assert.ok(count(/host-reopened.*backup do.*switch do/) >= 5);
});
