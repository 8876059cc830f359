// run-mutant FIRST SEEDS: exits 1 as soon as a promise breaks in a simulated world, and says which (a dot a seed before); runs beside the sources it tries.
import { makeScenario } from "../../src/simulate/make-scenario.ts";
import { runScenario } from "../../src/simulate/run-scenario.ts";

const [first = 1, seeds = 0] = process.argv.slice(2).map(Number);
for (let seed = first; seed < first + seeds; seed++) {
  const found = await runScenario(makeScenario({ seed })).catch((error: unknown) => ({ violation: { promise: String(error).slice(0, 80) } })); // biome-ignore format: one line
  process.stdout.write(".");
  if (found.violation === undefined) continue;
  process.stdout.write(`${found.violation.promise}, seed ${seed}\n`);
  process.exit(1);
}
