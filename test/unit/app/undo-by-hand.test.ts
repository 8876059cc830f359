// `cutover task run --undo`: it finds the run whose do it takes back, or says why there is nothing to take back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { undoByHand } from "../../../src/app/tasks/undo-by-hand.ts";
import type { Step } from "../../../src/model/plan.ts";
import type { EventBody, JournalEvent } from "../../../src/model/run-event.ts";
import type { Task, TaskEvent } from "../../../src/model/task.ts";
import { hookTask } from "../../../src/plan/host-tasks.ts";

const change = { host: "db1", component: "orders", to: "2.0.0" };
const convert: Task = { ...hookTask(change, { name: "convert" }), action: "undo" };

const word = (task: string, action: "do" | "undo", state: TaskEvent["state"], step = "switch.1"): EventBody => ({ kind: "task", step, host: "db1", event: { task, action, state, durationMs: 1, exitCode: 0, reason: "ok", evidence: "" } }); // biome-ignore format: one line
const did = word(convert.id, "do", "done");
const committed = word("db1/orders/commit", "do", "done");
const stepAdded = (task: Task): EventBody => {
  const step: Step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "db1", groups: [[task]] }] }; // biome-ignore format: one line
  return { kind: "step-added", step, by: "anna", reason: "look" };
};

/** Runs in the order of their keys. */
function undo(runs: Readonly<Record<string, readonly EventBody[]>>, open?: string, hasUndo = true): Promise<Task> {
  const journal = {
    streams: async () => Object.keys(runs).map((run) => `run/${run}`),
    read: async (stream: string) =>
      (runs[stream.slice("run/".length)] ?? []) as readonly JournalEvent[] as JournalEvent[],
  };
  return undoByHand(journal, { task: convert, hasUndo, open });
}
const says = (message: RegExp, next = /^cutover task list /) => (error: Error & { code?: string; exitCode?: number; remedy?: string }) => error.code === "nothing-to-undo" && error.exitCode === 4 && message.test(error.message) && next.test(error.remedy ?? "") && !/RUN|rollback/.test(error.remedy ?? ""); // biome-ignore format: one line

test("an undo outside its run finds what its do kept in the newest run that did it", async () => {
  const task = await undo({ r1: [did], r2: [did, committed], r3: [committed.kind === "task" ? word("db1/web/commit", "do", "done") : committed] }); // biome-ignore format: one line
  assert.deepEqual(task.options, { name: "convert", "trial-run": "r2" });
  assert.deepEqual((await undo({ r1: [did], r2: [word(convert.id, "do", "failed")] })).options["trial-run"], "r2");
});

test("in an open run that did it, the undo is that run's own", async () => {
  assert.deepEqual((await undo({ r1: [did] }, "r1")).options, { name: "convert" });
});

test("where nothing can be taken back it says so, and runs nothing", async () => {
  await assert.rejects(undo({ r1: [committed] }), says(/no run is known in which db1\/orders\/convert ran/));
  await assert.rejects(
    undo({ r1: [did], r2: [word(convert.id, "undo", "done")] }),
    says(/taken back already, in run r2/, /^cutover task list r2 /),
  );
  await assert.rejects(
    undo({ r1: [did], r2: [committed] }),
    says(/kept in run r1 is cleared since run r2/, /^cutover task list r1 /),
  );
  await assert.rejects(
    undo({ r1: [did] }, undefined, false),
    says(/convert of orders 2\.0\.0 has no undo/, /list --host db1 --component orders /),
  );
});

const other: Task = { ...convert, action: "do", version: "1.0.0" };
const byHand = (task: Task): readonly EventBody[] => [stepAdded(task), word(convert.id, task.action, "done", "by-hand.1")]; // biome-ignore format: one line

test("a dry run, and what another version did, are nothing to take back", async () => {
  const dry: Task = { ...convert, action: "do", options: { name: "convert", "dry-run": "yes" } };
  for (const aside of [dry, other]) {
    const run = byHand(aside);
    await assert.rejects(undo({ r1: run }), says(/no run is known/, /./));
    assert.equal((await undo({ r0: [did], r1: run })).options["trial-run"], "r0");
  }
});

test("where another version ran it there, the next command takes that back; not what is taken back, cleared or only said", async () => {
  const ranFor = says(/ran for 2\.0\.0; run r1 ran it for 1\.0\.0$/, /^cutover task run db1\/orders\/convert --undo --version 1\.0\.0 --reason …$/); // biome-ignore format: one line
  await assert.rejects(undo({ r1: byHand(other), r2: [] }, "r2"), ranFor);
  await assert.rejects(undo({ r1: byHand(other) }, "r1"), ranFor);
  await assert.rejects(undo({ r0: byHand({ ...other, version: "0.9.0" }), r1: byHand(other) }), ranFor);
  const nobody = says(/ran for 2\.0\.0$/, /list --host db1 --component orders /);
  await assert.rejects(undo({ r1: byHand(other), r2: byHand({ ...other, action: "undo" }) }), nobody);
  await assert.rejects(undo({ r1: byHand(other), r2: [committed] }), nobody);
  await assert.rejects(undo({ r1: byHand({ ...other, options: { name: "convert", "dry-run": "yes" } }) }), nobody);
});
