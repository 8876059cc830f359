// `npm run mutate [-- PATH…]`: turns every guard round, one at a time, and expects the simulator to notice. Fails when a mutant
// survives, or when a promise has no guard at all.
import { join } from "node:path";
import { sourceFiles } from "../support/source-files.ts";
import { findGuards } from "./find-guards.ts";
import { guardedPromises } from "./guarded-promises.ts";
import { withMutationBench } from "./try-mutant.ts";

const seeds = 600;
const asked = process.argv.slice(2);
const files = sourceFiles(join(import.meta.dirname, "../../src"));
const guards = files.flatMap(findGuards).filter(({ path }) => asked.length === 0 || asked.includes(path));
const killed = new Set<string>();
let survived = 0;
const queue = [...guards];
const begun = performance.now();

async function work(): Promise<void> {
  await withMutationBench(async (bench) => {
    for (let guard = queue.shift(); guard !== undefined; guard = queue.shift()) {
      const { kind, by, seconds } = await bench.tryMutant(guard, seeds);
      if (kind === "killed") killed.add(guard.promise);
      else survived += 1;
      const { path, line, promise, why } = guard;
      process.stdout.write(
        `${kind.padEnd(9)} ${promise.padEnd(4)} ${path}:${line} ${why} (${by}, ${seconds.toFixed(1)} s)\n`,
      );
    }
  });
}
await Promise.all([work(), work()]);

const missing = asked.length > 0 ? [] : guardedPromises.filter((promise) => !killed.has(promise));
for (const promise of missing) process.stdout.write(`no killed mutant: ${promise}\n`);
const seconds = ((performance.now() - begun) / 1_000).toFixed(0);
process.stdout.write(`${guards.length} guards, ${guards.length - survived} mutants killed in ${seconds} s\n`);
process.exitCode = survived > 0 || missing.length > 0 ? 1 : 0;
