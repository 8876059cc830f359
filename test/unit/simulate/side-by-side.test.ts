// Two releases of one controller in simulated worlds: their runs go on at once, over hosts that they share.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderFailure } from "../../../src/cli/render-simulation.ts";
import { toText } from "../../../src/cli/text.ts";
import { makeScenario } from "../../../src/simulate/make-scenario.ts";
import { runScenario } from "../../../src/simulate/run-scenario.ts";
import type { Scenario } from "../../../src/simulate/scenario.ts";
import { simulateSeeds } from "../../../src/simulate/simulate-seeds.ts";

/** Worlds with two releases; every second one has a component that both ask for. */
function scenarioOf(seed: number): Scenario {
  const { releases: _, isOneRelease: __, ...scenario } = makeScenario({ seed });
  const names = scenario.components.map(({ name }) => name);
  if (names.length < 2) return scenario;
  const cut = Math.max(1, Math.floor(names.length / 2));
  return { ...scenario, releases: [names.slice(0, cut + (seed % 2)), names.slice(cut)] };
}

test("in 150 worlds with two releases no component of a host is handed over by two open runs, and every other promise holds (R33)", async () => {
  const { failure, runs } = await simulateSeeds({ firstSeed: 5_000, seeds: 150, scenarioOf });
  if (failure !== undefined) assert.fail(`\n${toText(renderFailure(failure), { color: false, width: undefined, overflow: "wrap" }).join("\n")}`); // biome-ignore format: one line
  assert.ok(runs > 150);
});

test("in these worlds runs are open at once, on hosts that both work on", async () => {
  let sideBySide = 0;
  let onOneHost = 0;
  for (let seed = 5_000; seed < 5_040; seed++) {
    const open = new Map<string, Set<string>>();
    let [wereTwo, shared] = [false, false];
    await runScenario(scenarioOf(seed), (line) => {
      const journaled = /journal \w+ run\/(r\d+)#\d+ (run-planned|run-ended|host-ended \S+ (\S+))/.exec(line);
      if (journaled === null) return;
      const [, run = "", what = "", host] = journaled;
      if (what === "run-planned") open.set(run, new Set());
      else if (what === "run-ended") open.delete(run);
      else if (host !== undefined) open.get(run)?.add(host);
      const [first, second] = [...open.values()];
      if (first === undefined || second === undefined) return;
      wereTwo = true;
      shared ||= [...first].some((name) => second.has(name));
    });
    if (wereTwo) sideBySide += 1;
    if (shared) onOneHost += 1;
  }
  assert.ok(sideBySide >= 12 && onOneHost >= 8, `${sideBySide} worlds, ${onOneHost} with a host that both worked on`);
});

test("P9: where a release comes in two parts, each with runs of its own, these hear what the others lost, and share one budget", async () => {
  const inParts = (seed: number): Scenario => {
    const scenario = scenarioOf(seed);
    const [first, second] = scenario.releases ?? [];
    if (first === undefined || second === undefined) return scenario;
    return { ...scenario, releases: [first, second.filter((name) => !first.includes(name))], isOneRelease: true };
  };
  let heard = 0;
  for (let seed = 5_000; seed < 5_100; seed++) {
    let isHeard = false;
    const { violation } = await runScenario(inParts(seed), (line) => {
      isHeard ||= /journal .* unwell-beside/.test(line);
    });
    assert.equal(violation, undefined, `seed ${seed}`);
    if (isHeard) heard += 1;
  }
  assert.ok(heard >= 8, `${heard} worlds`);
});
