// `cutover task list` and `task show` of a run that went back: what failed is what people look for then.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findTask } from "../../../src/app/tasks/find-task.ts";
import { readTask } from "../../../src/app/tasks/read-task.ts";
import { readTaskBook } from "../../../src/app/tasks/task-book.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { memoryJournal, run, runController } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const plan = makePlan(
  planInput({ components: { app: { hosts: ["h1", "h2"], health: true } }, policy: { canaries: 1, batchSize: 1 } }),
);

async function wentBack() {
  const journal = memoryJournal();
  const { executor } = inProcessHosts({
    fails: ({ id, action }) => (id === "h1/app/health" && action === "do" ? "unhealthy" : undefined),
  });
  const { outcome } = await runController({ plan, journal, executor, epoch: 1 });
  assert.equal(outcome, "rolled-back");
  return journal;
}

test("the book of a run that went back has what it did before, what failed with its reason, and the undos; nothing is open", async () => {
  const { tasks } = await readTaskBook(await wentBack(), undefined);
  const rows = tasks.filter(({ host, step }) => host === "h1" && /^(?:switch|rollback)\./.test(step));
  assert.deepEqual(
    rows.map(({ step, id, action, state }) => `${step} ${action} ${id} ${state}`),
    ["switch.1 do h1/app/switch done", "switch.1 do h1/app/health failed", "rollback.1 undo h1/app/switch undone"],
  );
  assert.equal(rows.find(({ state }) => state === "failed")?.reason, "unhealthy");
  assert.deepEqual(
    tasks.filter(({ isOpen, state }) => isOpen || state === "pending"),
    [],
    "what never began is not part of it",
  );
});

test("a task of a run that went back is shown with its whole story; one that it never came to is refused with what to type", async () => {
  const journal = await wentBack();
  const { row, story } = await readTask(journal, "h1/app/switch");
  assert.deepEqual([row.action, row.state], ["do", "done"]);
  assert.deepEqual(
    story.flatMap(({ text }) => /^(?:do|undo) done/.exec(text) ?? []),
    ["do done", "undo done"],
  );
  await assert.rejects(readTask(journal, "h2/app/switch"), {
    message: `Run ${run} went back before it came to h2/app/switch`,
    remedy: `cutover task list ${run}`,
  });
});

test("a task that only an ended run has is not taken for a misspelt one", async () => {
  const journal = await wentBack();
  const id = "h1/app/switch";
  await assert.rejects(findTask(journal, { run: undefined, id }), {
    message: `No open run has a task ${id}; run ${run}, the newest one, has ended: rolled-back`,
    remedy: `cutover task show ${run}/${id}`,
  });
  await assert.rejects(findTask(journal, { run: undefined, id: "h1/app/swich" }), {
    message: `No open run has a task h1/app/swich; did you mean ${id}?`,
  });
});
