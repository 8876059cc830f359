// The list of a run's tasks, as a person reads it.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskRow } from "../../../src/app/tasks/task-book.ts";
import { renderTaskBook } from "../../../src/cli/render-tasks.ts";
import { toText } from "../../../src/cli/text.ts";

const failed: TaskRow = {
  ...{ id: "h1/web/convert", step: "convert.1", phase: "data", host: "h1", component: "web", version: "2.0.0" },
  ...{ kind: "hook", action: "do", state: "failed", reason: "task-failed", evidence: "", durationMs: 0 },
  ...{ isDry: false, isOpen: true, waitsFor: undefined },
} as TaskRow;

function listed(evidence: string): string {
  const book = {
    run: "r1",
    release: "web",
    outcome: undefined,
    reason: "",
    planHash: "abc",
    isWayBack: false,
    next: [],
  };
  const lines = renderTaskBook({ ...book, tasks: [{ ...failed, evidence }] } as never, 1);
  const text = toText(lines, { color: false, width: undefined, overflow: "wrap" });
  return text.find((line) => line.includes("h1/web/convert"))?.trimEnd() ?? "";
}

test("a failed task shows the last line of its evidence, and not what the shell says of its end", () => {
  assert.match(listed("converting\ncutover: no such column\n"), /task-failed: cutover: no such column$/);
  assert.match(listed("cutover: no such column\nTerminated\n"), /task-failed: cutover: no such column$/);
  const bash = "/bundle/convert: line 9: 4711 Terminated              cutover_fail no";
  assert.match(listed(`cutover: no such column\n${bash}\n`), /task-failed: cutover: no such column$/);
  assert.match(listed("cutover: no such column\n\nTerminated\n"), /task-failed: cutover: no such column$/);
  assert.match(listed("Terminated"), /task-failed: Terminated$/);
  assert.match(listed("converting\nTerminated by me"), /task-failed: Terminated by me$/);
  assert.match(listed(""), /task-failed$/);
});
