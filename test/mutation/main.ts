// `npm run mutate [-- PATH…]`: turns every guard round, one at a time, and expects the simulator to notice. Fails when a mutant
// survives, or when a promise has no guard at all.
import { join } from "node:path";
import { sourceFiles } from "../support/source-files.ts";
import { findGuards, type Guard } from "./find-guards.ts";
import { guardedPromises } from "./guarded-promises.ts";
import { type Verdict, withMutationBench } from "./try-mutant.ts";

/** A few worlds notice most mutants; those that are left get many more. */
const rounds = [
  { firstSeed: 1, seeds: 40 },
  { firstSeed: 41, seeds: 760 },
] as const;
const asked = process.argv.slice(2);
const files = sourceFiles(join(import.meta.dirname, "../../src"));
const guards = files.flatMap(findGuards).filter(({ path }) => asked.length === 0 || asked.includes(path));
const killed = new Set<string>();
const begun = performance.now();
let left = guards;

// Sources that fail as they are would kill every mutant.
await withMutationBench(async (bench) => {
  const [first] = guards;
  const whole = files.find(({ path }) => path === first?.path)?.text;
  if (first === undefined || whole === undefined) throw new Error("there is no guard to turn round");
  const { kind, by } = await bench.tryMutant({ ...first, mutant: whole }, rounds[0]);
  if (kind === "killed") throw new Error(`without any mutant: ${by}`);
});

for (const worlds of rounds) {
  const queue = [...left];
  const survivors = new Set<Guard>();
  const work = () =>
    withMutationBench(async (bench) => {
      for (let guard = queue.shift(); guard !== undefined; guard = queue.shift()) {
        const verdict = await bench.tryMutant(guard, worlds);
        if (verdict.kind === "killed") killed.add(guard.promise);
        else survivors.add(guard);
        if (verdict.kind === "killed" || worlds === rounds[1]) tell(verdict);
      }
    });
  await Promise.all([work(), work()]);
  left = left.filter((guard) => survivors.has(guard));
}

function tell({ guard: { path, line, promise, why }, kind, by, seconds }: Verdict): void {
  const text = `${kind.padEnd(9)} ${promise.padEnd(4)} ${path}:${line} ${why} (${by}, ${seconds.toFixed(1)} s)`;
  process.stdout.write(`${text}\n`);
}

const missing = asked.length > 0 ? [] : guardedPromises.filter((promise) => !killed.has(promise));
for (const promise of missing) process.stdout.write(`no killed mutant: ${promise}\n`);
const seconds = ((performance.now() - begun) / 1_000).toFixed(0);
process.stdout.write(`${guards.length} guards, ${guards.length - left.length} mutants killed in ${seconds} s\n`);
process.exitCode = left.length > 0 || missing.length > 0 ? 1 : 0;
