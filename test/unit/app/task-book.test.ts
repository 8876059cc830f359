// `cutover task list` and `task show` of a run that went back: what failed is what people look for then.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findTask } from "../../../src/app/tasks/find-task.ts";
import { misspelt } from "../../../src/app/tasks/misspelt.ts";
import { readTask } from "../../../src/app/tasks/read-task.ts";
import { readTaskBook } from "../../../src/app/tasks/task-book.ts";
import { renderTask } from "../../../src/cli/render-tasks.ts";
import { toText } from "../../../src/cli/text.ts";
import type { Step } from "../../../src/model/plan.ts";
import type { Task } from "../../../src/model/task.ts";
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

test("a run, a host and a component that are misspelt are told with what was probably meant; a name like none is not", async () => {
  const journal = await wentBack();
  await assert.rejects(readTaskBook(journal, `${run}x`), {
    message: `There is no run ${run}x; did you mean ${run}?`,
    remedy: `cutover task list ${run}`,
  });
  const book = await readTaskBook(journal, undefined);
  const told = (key: "host" | "component", typed: string) => misspelt(book, { key, typed });
  const next = `cutover task list ${run} --component app`;
  assert.deepEqual(told("component", "apo"), {
    message: `Run ${run} has no task of component apo; did you mean app?`,
    next,
  });
  assert.deepEqual([told("host", "h1"), told("host", "database7"), told("component", "app")], Array(3).fill(undefined));
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

/** One task of a component, asked for by hand: a run of its own, newer than all others. */
async function ranByHand(
  journal: ReturnType<typeof memoryJournal>,
  name: string,
  { id, action, isDry = false }: Pick<Task, "id" | "action"> & { readonly isDry?: boolean },
) {
  const [host = "", component = ""] = id.split("/");
  const task: Task = { id, host, component, version: "1.0.0", kind: "hook", action, options: isDry ? { "dry-run": "yes" } : {} }; // biome-ignore format: one line
  const step: Step = { id: "by-hand", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host, groups: [[task]] }] }; // biome-ignore format: one line
  const byHand = { ...plan, release: "by-hand", changes: [], steps: [step] };
  const head = { stream: `run/${name}`, at: 5 };
  await journal.append([
    { ...head, sequence: 1, kind: "run-planned", commit: "c", generation: "g", plan: byHand, epoch: 1, fleet: [] },
    { ...head, sequence: 2, kind: "run-ended", outcome: "done", reason: "" },
  ]);
}

test("a task is shown from the newest run that has it: runs by hand hold only their own; its own newest undo counts", async () => {
  const journal = await wentBack();
  await ranByHand(journal, "r2", { id: "h1/app/tidy", action: "do" });
  assert.equal((await readTask(journal, "h1/app/switch")).run, run);
  assert.equal((await readTask(journal, "h1/app/tidy")).run, "r2");
  await ranByHand(journal, "r3", { id: "h1/app/tidy", action: "undo" });
  const { run: newest, row } = await readTask(journal, "h1/app/tidy");
  assert.deepEqual([newest, row.action], ["r3", "undo"]);
  await assert.rejects(readTask(journal, "h1/app/swich"), {
    message: `None of the newest 3 runs, ${run} to r3, has a task h1/app/swich; did you mean h1/app/switch?`,
  });
  await assert.rejects(readTask(memoryJournal(), "h1/app/switch"), { message: "Nothing has run yet" });
});

test("a task of an ended run is shown with the newest run by hand that came after it, dry or not; not where a run is named", async () => {
  const journal = await wentBack();
  const id = "h1/app/switch";
  const last = async (text: string) => {
    const story = await readTask(journal, text);
    const lines = toText(renderTask(story), { color: false, width: undefined, overflow: "wrap" });
    return [story.run, story.laterByHand, lines.at(-1)?.trim()];
  };
  await ranByHand(journal, "r2", { id: "h1/app/other", action: "do", isDry: true });
  assert.equal((await last(id))[1], undefined, "of another task");
  await ranByHand(journal, "r3", { id, action: "do", isDry: true });
  await ranByHand(journal, "r4", { id: "h1/app/other", action: "do" });
  const later = `later: run r3 tried it dry: cutover task show r3/${id}`;
  assert.deepEqual(await last(id), [run, { run: "r3", isDry: true }, later]);
  assert.equal((await last(`${run}/${id}`))[1], undefined);
  assert.equal((await last("h1/app/other"))[1], undefined, "it is the newest that is shown");
});

test("a task waits for what comes right before it, all of it; a step for the one before; and whoever waits in turn is a dependent", async () => {
  const both = { hosts: ["h1", "h2"], drain: true, backup: true, health: true };
  const waiting = makePlan(
    planInput({
      components: { app: both, web: both },
      policy: { canaries: 1, batchSize: 1 },
      rollbackPolicy: "manual",
    }),
  );
  const bookWhen = async (fails: (task: Task) => string | undefined) => {
    const journal = memoryJournal();
    await runController({ plan: waiting, journal, executor: inProcessHosts({ fails }).executor, epoch: 1 });
    const { tasks } = await readTaskBook(journal, undefined);
    const rows = tasks.filter(({ host, waitsFor }) => host === "h1" && waitsFor !== undefined);
    const names = rows.map(({ id, action, waitsFor }) => `${action} ${id.slice(3)} < ${waitsFor}`);
    return { journal, names };
  };
  const busy = await bookWhen(({ id }) => (id === "h1/app/drain" ? "busy" : undefined));
  assert.deepEqual(busy.names, [
    "do app/switch < h1/app/drain",
    "do app/health < h1/app/switch",
    "undo app/drain < h1/app/health",
    "do web/backup < undo h1/app/drain",
    "do web/drain < h1/web/backup",
    "do web/switch < h1/web/drain",
    "do web/health < h1/web/switch",
    "undo web/drain < h1/web/health",
    "do app/confirm < switch.1",
    "do web/confirm < switch.1",
    "do app/commit < confirm.2",
    "do web/commit < confirm.2",
  ]);
  const { dependents } = await readTask(busy.journal, "h1/web/drain");
  assert.deepEqual(dependents, ["h1/web/switch", "h1/web/health"]);
  const begun = memoryJournal();
  const head = { commit: "c", generation: "g", epoch: 1, fleet: [] };
  await begun.append([{ stream: "run/r1", sequence: 1, at: 1, kind: "run-planned", plan: waiting, ...head }]);
  const { tasks } = await readTaskBook(begun, undefined);
  const builds = tasks.filter(({ host, kind }) => host === "h1" && kind === "build");
  const side = "h1/app/distribute, h1/web/distribute";
  assert.deepEqual(
    builds.map(({ waitsFor }) => waitsFor),
    [side, side],
    "these two run side by side",
  );
});
