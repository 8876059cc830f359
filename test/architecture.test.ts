// Keeps the folder table of DESIGN section 1 true for everything under src/.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { folderCycles, forbiddenImports, impurities } from "./support/import-table.ts";
import { parseSource, sourceFiles } from "./support/source-files.ts";

const files = sourceFiles(join(import.meta.dirname, "../src"));

test("every import in src/ is allowed by the folder table", () => {
  assert.ok(files.length > 0);
  assert.deepEqual(forbiddenImports(files), []);
});

test("the pure folders touch no clock, no random source, no timer, no environment and no I/O (P12)", () => {
  assert.deepEqual(impurities(files), []);
});

test("no folder imports itself through another", () => {
  assert.deepEqual(folderCycles(files), []);
});

test("the table notices a forbidden import, an impurity that a pure file pulls in, and a cycle", () => {
  const bad = [
    parseSource("plan/make-plan.ts", 'import type { Host } from "../ports.ts";\nexport const at = Date.now();\n'),
    parseSource("run/machine.ts", 'import { append } from "./append.ts";\n'),
    parseSource("run/append.ts", 'import { writeFileSync } from "node:fs";\n// process.env is only a comment\n'),
    parseSource("model/a.ts", 'import {\n  b,\n} from "../cli/b.ts";\n'),
    parseSource("cli/b.ts", 'export { a } from "../model/a.ts";\n'),
    parseSource("adapters/ssh.ts", 'const app = await import("../app/plan.ts");\n'),
    parseSource("model/zod.ts", 'import { z } from "zod";\n'),
    parseSource("model/digest.ts", 'import { createHash } from "node:crypto";\n'),
    parseSource("model/id.ts", 'import { createHash, randomUUID } from "node:crypto";\n'),
  ];
  assert.deepEqual(forbiddenImports(bad), [
    "src/plan/make-plan.ts (plan) imports src/ports.ts (ports.ts)",
    "src/model/a.ts (model) imports src/cli/b.ts (cli)",
    "src/adapters/ssh.ts (adapters) imports src/app/plan.ts (app)",
  ]);
  assert.deepEqual(impurities(bad), [
    "src/plan/make-plan.ts is pure and touches Date.now",
    "src/run/append.ts is pure and touches node:fs",
    "src/model/id.ts is pure and touches node:crypto",
  ]);
  assert.deepEqual(folderCycles(bad), ["cli → model → cli"]);
});
