// Guards and the simulator watch each other: for every promise one guard is turned round here, all of them in `npm run mutate`.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { findGuards } from "../../mutation/find-guards.ts";
import { guardedPromises } from "../../mutation/guarded-promises.ts";
import { withMutationBench } from "../../mutation/try-mutant.ts";
import { sourceFiles } from "../../support/source-files.ts";

const guards = sourceFiles(join(import.meta.dirname, "../../../src")).flatMap(findGuards);

test("every promise that is simulated has a guard in the code that names it", () => {
  assert.deepEqual(guardedPromises.filter((promise) => !guards.some((guard) => guard.promise === promise)), []); // biome-ignore format: one line
});

test("a guard is found above an if, a return and a const, and its whole condition is turned round", () => {
  const text = [
    "// guard P1: first",
    'if (a(")") && [b]) return;',
    "// guard P2: second",
    "return x ? 1 : f({ y: 2 });",
    "// guard P3: third",
    "const is = (task: Task) => !list.includes(task);",
  ].join("\n");
  const mutants = findGuards({ path: "x.ts", text }).map(({ mutant, line }) => mutant.split("\n")[line - 1]);
  assert.deepEqual(mutants, [
    'if (!(a(")") && [b])) return;',
    "return !(x ? 1 : f({ y: 2 }));",
    "const is = (task: Task) => !(!list.includes(task));",
  ]);
  assert.throws(() => findGuards({ path: "x.ts", text: "// guard P1: nothing\ndo();" }), /x\.ts:1/);
});

/** Those whose absence shows in one of the first seeds; `npm run mutate` takes its time for all. */
const quick: readonly (readonly [string, string])[] = [
  ["P1", "simulate/host/switch.ts"],
  ["P4", "plan/difference.ts"],
  ["P5", "simulate/host/runner.ts"],
  ["P7", "plan/difference.ts"],
  ["P8", "run/drive-run.ts"],
  ["P10", "run/decide.ts"],
  ["P12", "plan/difference.ts"],
  ["P16", "plan/difference.ts"],
];

test("turned round, a guard is noticed within a few seeds", async () => {
  await withMutationBench(async (bench) => {
    for (const [promise, path] of quick) {
      const guard = guards.find((each) => each.promise === promise && each.path === path && !isSlow(each));
      assert.ok(guard, `${path} has no guard of ${promise}`);
      const { kind } = await bench.tryMutant(guard, { firstSeed: 1, seeds: 60 });
      assert.equal(kind, "killed", `${path}:${guard.line} ${promise} ${guard.why}`);
    }
  });
});

/** A run that went on without a host takes some worlds to come by. */
function isSlow({ why }: (typeof guards)[number]): boolean {
  return why.startsWith("a run that went on without");
}
