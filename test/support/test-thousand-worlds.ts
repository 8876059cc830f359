// The simulator over many seeds: the promises hold in every one of these worlds, whatever goes wrong in them. A thousand a file, in a folder of
// its own: files start in the order of their names and run side by side, and one with all worlds ran on alone in the end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderFailure } from "../../src/cli/render-simulation.ts";
import { toText } from "../../src/cli/text.ts";
import { makeScenario } from "../../src/simulate/make-scenario.ts";
import { simulateSeeds } from "../../src/simulate/simulate-seeds.ts";

const seeds = 1_000;
const plain = { color: false, width: undefined, overflow: "wrap" } as const;

export function testThousandWorlds(firstSeed: number): void {
  const which = `${firstSeed} to ${firstSeed + seeds - 1}`;
  test(`in the simulated worlds ${which} P1, P4 to P10, P12 and P16 hold at every event, and the world comes to rest (R5)`, async () => {
    const { failure, facts, runs } = await simulateSeeds({
      firstSeed,
      seeds,
      scenarioOf: (seed) => makeScenario({ seed }),
    });
    if (failure !== undefined) assert.fail(`\n${toText(renderFailure(failure), plain).join("\n")}`);
    // Worlds in which nothing happens would prove nothing.
    assert.ok(facts > seeds * 300 && runs > seeds, `${facts} events in ${runs} runs`);
  });
}
