// Worlds from many seeds, one after the other, until a promise breaks.
import { runScenario } from "./run-scenario.ts";
import type { Scenario } from "./scenario.ts";
import { shrink } from "./shrink.ts";
import type { Violation } from "./world.ts";

export interface SimulationInput {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly scenarioOf: (seed: number) => Scenario;
  /** Called after every seed; false stops. */
  readonly onSeed?: (progress: SimulationProgress) => boolean;
}

export interface SimulationProgress {
  /** Worlds that ran to their end. */
  readonly seeds: number;
  /** Things that happened in them; every promise was checked at each. */
  readonly facts: number;
  readonly runs: number;
}

export interface SimulationFailure {
  readonly seed: number;
  readonly violation: Violation;
  /** The smallest world found in which the same promise breaks. */
  readonly scenario: Scenario;
  /** Everything that happened in it, to the end. */
  readonly log: readonly string[];
}

export interface SimulationResult extends SimulationProgress {
  readonly failure: SimulationFailure | undefined;
}

export async function simulateSeeds({
  firstSeed,
  seeds,
  scenarioOf,
  onSeed,
}: SimulationInput): Promise<SimulationResult> {
  let progress: SimulationProgress = { seeds: 0, facts: 0, runs: 0 };
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const scenario = scenarioOf(seed);
    const { violation, facts, runs } = await runScenario(scenario);
    progress = { seeds: progress.seeds + 1, facts: progress.facts + facts, runs: progress.runs + runs };
    if (violation !== undefined) return { ...progress, failure: await explain({ seed, scenario, violation }) };
    if (onSeed?.(progress) === false) break;
  }
  return { ...progress, failure: undefined };
}

async function explain({
  seed,
  scenario: whole,
  violation: first,
}: {
  seed: number;
  scenario: Scenario;
  violation: Violation;
}): Promise<SimulationFailure> {
  const { scenario, violation } = await shrink({ scenario: whole, violation: first });
  const log: string[] = [];
  await runScenario(scenario, (line) => void log.push(line));
  return { seed, violation, scenario, log };
}
