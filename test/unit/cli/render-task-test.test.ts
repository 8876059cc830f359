// What `cutover task test` and `cutover task replay` print.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderReplay } from "../../../src/cli/render-replay.ts";
import { renderTaskTest } from "../../../src/cli/render-task-test.ts";
import { type Line, toText } from "../../../src/cli/text.ts";
import { Component } from "../../../src/model/component.ts";

const text = (lines: readonly Line[]): string =>
  toText(lines, { color: false, width: undefined, overflow: "wrap" }).join("\n");

test("a row for each case, then what was seen where one failed, then what has no test or an old SDK", () => {
  const shown = text(
    renderTaskTest({
      component: "orders",
      passed: false,
      durationMs: 2_345,
      cases: [
        {
          task: "convert",
          case: "usual",
          durationMs: 1_234,
          checks: [
            { check: "do", outcome: "passed", detail: [] },
            { check: "undo", outcome: "failed", detail: ["after undo:", "etc/app.conf has mode 600, not 640"] },
            { check: "killed", outcome: "passed", detail: [], lines: 364, states: 27 },
            { check: "dry-run", outcome: "skipped", detail: ["it does not say dryRun"] },
          ],
        },
      ],
      untested: ["answers"],
      sdk: [{ file: "cutover.sh", state: "older", written: false }],
    }),
  );
  assert.equal(
    shown,
    `  TASK     CASE   DO  TWICE  UNDO    AGAIN  KILLED     UNDO KILLED  DRY RUN  TIME
  convert  usual  ok  -      FAILED  -      ok 27/364  -            -        1.2 s
failed convert usual undo
    after undo:
    etc/app.conf has mode 600, not 640
no test answers: tests/answers/before and after would be one
look tasks/cutover.sh is older; next: cutover task sdk DIR
failed: orders, 1 check of 1 case`,
  );
});

test("a replay stands beside what the host said, and text of a host cannot move the cursor (T26)", () => {
  const contract = Component.parse({
    apiVersion: "cutover/v1",
    kind: "Component",
    name: "orders",
    root: "/srv/orders",
    tasks: [{ name: "convert", do: "convert" }],
  });
  const [task] = contract.tasks;
  assert.ok(task);
  const recorded = {
    task: "web1/orders/convert",
    action: "do",
    state: "failed",
    durationMs: 310,
    exitCode: 71,
    reason: "task-failed",
    evidence: "row 2\u001b[2J",
  } as const;
  const captured = {
    run: "r1",
    host: "web1",
    address: "192.0.2.7",
    version: "2.0.0",
    from: undefined,
    contract,
    task,
    bundle: `sha256:${"a".repeat(64)}`,
    content: "published-again",
    recorded,
  } as const;
  const shown = text(
    renderReplay(captured, [
      { action: "do", exitCode: 0, said: "2 rows\n", durationMs: 12, changes: ["new data/rows"] },
    ]),
  );
  assert.equal(
    shown,
    `convert of orders 2.0.0 on web1, run r1: from nothing, bundle sha256:aaaaaaaaaaaa
look the version was published again since: this is its bundle of today
there do  failed, exit 71 in 310 ms
    | row 2\\u{1b}[2J
here  do  done in 12 ms
    | 2 rows
    new data/rows`,
  );
});
