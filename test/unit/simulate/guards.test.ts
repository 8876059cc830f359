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

test("turned round, the engine's first guard of each promise is noticed within a few seeds", async () => {
  const engine = guards.filter(({ path }) => !path.startsWith("simulate/"));
  const firsts = [...new Map([...engine].reverse().map((guard) => [guard.promise, guard])).values()];
  await withMutationBench(async (bench) => {
    for (const guard of firsts) {
      const { kind } = await bench.tryMutant(guard, 150);
      assert.equal(kind, "killed", `${guard.path}:${guard.line} ${guard.promise} ${guard.why}`);
    }
  });
});
