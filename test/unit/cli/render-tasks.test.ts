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

function listed(evidence: string, reason = "task-failed"): string {
  const book = {
    run: "r1",
    release: "web",
    outcome: undefined,
    reason: "",
    planHash: "abc",
    isWayBack: false,
    next: [],
  };
  const lines = renderTaskBook({ ...book, tasks: [{ ...failed, evidence, reason }] } as never, 1);
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

test("of what a host says the first line is the reason, logs come after; but for what a task of a bundle says, and for an end that nobody foresaw", () => {
  assert.match(
    listed("old pid 7 still serves; 2.0.0 not ready\nlog line", "not-ready"),
    /not-ready: old pid 7 still .* not ready$/,
  );
  assert.match(listed("health.1 http: [500]\naccept: closed", "unhealthy"), /unhealthy: health\.1 http: \[500\]$/);
  assert.match(listed("one\nsh: 9: parameter not set", "unexpected"), /unexpected: sh: 9: parameter not set$/);
  const backup = "dump: task-failed: exit 1: begins\ncutover: no space";
  assert.match(listed(backup, "backup-failed"), /backup-failed: cutover: no space$/);
});
