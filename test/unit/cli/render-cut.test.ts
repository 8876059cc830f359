// What a switch cut off is said while the run goes on, not only in the status afterwards (R18).
import assert from "node:assert/strict";
import { test } from "node:test";
import { startProgress } from "../../../src/cli/progress.ts";
import { renderRunEvent } from "../../../src/cli/render-run-event.ts";
import { toText } from "../../../src/cli/text.ts";
import type { JournalEvent } from "../../../src/model/run-event.ts";

const run = "r20261121-031500-4f2a";

function told(task: string, evidence: string, state: "done" | "running" = "done"): string[] {
  const event = {
    ...{ kind: "task", step: "switch.1", host: "web1", stream: `run/${run}`, sequence: 1, at: 1 },
    event: { task: `web1/${task}`, action: "do", state, durationMs: 9, exitCode: 0, reason: "", evidence },
  } as const satisfies JournalEvent;
  const { lines, lasting } = renderRunEvent(startProgress(run, 1), event);
  assert.equal(lasting, lines.length > 0);
  return toText(lines, { color: false, width: undefined, overflow: "wrap" });
}

test("work in flight that a drain cut, and processes that were killed, are one line of the run as it goes on", () => {
  assert.deepEqual(told("go/drain", "in-flight=3 cut=3 waited-ms=5090 until=deadline\n"), [
    "cut: web1 go/drain: 3 in flight",
  ]);
  assert.deepEqual(told("go/switch", "old-pid=7 new-pid=9 from=1 to=2 killed=7 after 20 s\n"), [
    "cut: web1 go/switch: 1 process killed",
  ]);
});

test("where nobody could read how much was in flight, the line says why", () => {
  const url = "http://127.0.0.1:9100/metrics";
  assert.deepEqual(
    told("go/drain", `in-flight=unknown cut=unknown waited-ms=5090 until=deadline; ${url}: refused \u001b[2J\n`),
    [`cut: web1 go/drain: an unknown number in flight: ${url}: refused \\u{1b}[2J`],
  );
});

test("a drain that cut nothing, or that is at work, says nothing", () => {
  assert.deepEqual(told("go/drain", "in-flight=0 cut=0 waited-ms=90 until=idle\n"), []);
  assert.deepEqual(told("go/drain", "in-flight=none cut=not-counted waited-ms=90 until=settled\n"), []);
  assert.deepEqual(told("go/drain", "in-flight=3 cut=3 waited-ms=5090 until=deadline\n", "running"), []);
});
