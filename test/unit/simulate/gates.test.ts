// Gates in simulated worlds: people wait, decide late, open or take back, while controllers die and links break.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderFailure } from "../../../src/cli/render-simulation.ts";
import { toText } from "../../../src/cli/text.ts";
import type { NamedEdit } from "../../../src/model/plan-edit.ts";
import { makeScenario } from "../../../src/simulate/make-scenario.ts";
import { runScenario } from "../../../src/simulate/run-scenario.ts";
import { simulateSeeds } from "../../../src/simulate/simulate-seeds.ts";

const why = { document: "by-hand", reason: "simulated" };
const edits: readonly NamedEdit[] = [
  { kind: "gate", name: "look", afterBatch: 1, ...why },
  { kind: "split", batch: 2, size: 1, ...why },
  { kind: "gate", name: "last", beforePhase: "commit", ...why },
];
const scenarioOf = (seed: number) => ({ ...makeScenario({ seed }), edits });

test("in 120 worlds nothing behind a closed gate begins, and every other promise holds while people think (R36, P1, P4 to P10)", async () => {
  const { failure, runs } = await simulateSeeds({ firstSeed: 1, seeds: 120, scenarioOf });
  if (failure !== undefined) assert.fail(`\n${toText(renderFailure(failure), { color: false, width: undefined, overflow: "wrap" }).join("\n")}`); // biome-ignore format: one line
  assert.ok(runs > 120);
});

test("gates are come to and opened in these worlds", async () => {
  const lines: string[] = [];
  for (let seed = 1; seed <= 20; seed++) await runScenario(scenarioOf(seed), (line) => void lines.push(line));
  const count = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).length;
  assert.ok(
    count(/step-started.*gate\.look/) >= 5 && count(/gate-opened.*gate\.last/) >= 5,
    lines.slice(0, 5).join("\n"),
  );
});
