// The tasks of the example component, through the command that their authors use.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { testTasks } from "../../src/lab/task-test/test-tasks.ts";

const orders = fileURLToPath(new URL("../../deploy/components/orders/", import.meta.url));
const signal = new AbortController().signal;

test("R35: every task of the example has do, undo and a test that passes alone, killed at every line, with the current SDK", async () => {
  const result = await testTasks({ directory: orders, tasks: [], shell: undefined, signal });
  assert.deepEqual(
    result.cases.flatMap(({ task, case: name, checks }) =>
      checks.filter(({ outcome }) => outcome === "failed").map((check) => ({ task, name, check })),
    ),
    [],
  );
  assert.deepEqual(result.untested, ["answers"], "a health check needs the service");
  assert.deepEqual(
    result.sdk.map(({ file, state }) => [file, state]),
    [
      ["cutover.sh", "current"],
      ["cutover.py", "current"],
    ],
  );
  for (const { task, case: name, checks } of result.cases.filter(({ checks }) => checks.length > 2)) {
    const killed = checks.find(({ check }) => check === "killed");
    assert.ok((killed?.lines ?? 0) > 100 && (killed?.states ?? 0) > 10, `${task} ${name} was stopped at its lines`);
    assert.equal(checks.find(({ check }) => check === "dry-run")?.outcome, "passed");
  }
});
