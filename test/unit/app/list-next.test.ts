// What `task list` says to do next: that of the run as a whole, and of a task only what is not refused. What was asked for by hand, or
// ran dry, never counts.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Controller } from "../../../src/app/controller.ts";
import { readOpenRuns } from "../../../src/app/read-open-runs.ts";
import { parseTaskId } from "../../../src/app/tasks/find-task.ts";
import { readTask } from "../../../src/app/tasks/read-task.ts";
import { retryTask } from "../../../src/app/tasks/retry-task.ts";
import { readTaskBook } from "../../../src/app/tasks/task-book.ts";
import { undoTask } from "../../../src/app/tasks/undo-task.ts";
import { runBookExitCode } from "../../../src/cli/outcomes.ts";
import type { Step } from "../../../src/model/plan.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { Task, TaskEvent } from "../../../src/model/task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { memoryJournal, run, runController } from "../../support/engine.ts";
import { type HostScript, inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

type Journal = ReturnType<typeof memoryJournal>;
const hosts = ["h1", "h2", "h3"];
const plan = makePlan(
  planInput({
    components: { app: { hosts, drain: true, health: true } },
    policy: { canaries: 1, batchSize: 1 },
    rollbackPolicy: "manual",
  }),
);

async function cameTo(script: HostScript, of = plan): Promise<Journal> {
  const journal = memoryJournal();
  const more = { signal: AbortSignal.timeout(20_000) };
  await runController({ plan: of, journal, executor: inProcessHosts(script).executor, epoch: 1, more });
  return journal;
}

async function say(journal: Journal, ...events: readonly EventBody[]): Promise<void> {
  const last = (await journal.newest(`run/${run}`))?.sequence ?? 0;
  await journal.append(events.map((event, index) => ({ ...event, stream: `run/${run}`, sequence: last + 1 + index, at: 9_000 }))); // biome-ignore format: one line
}

/** As `cutover task run` and `task undo` write it. */
function byHand(
  id: string,
  how: Pick<TaskEvent, "action" | "state"> & { nth: number; isDry?: boolean; kind?: Task["kind"] },
): EventBody[] {
  const [host = "", component = "", name = ""] = id.split("/");
  const { action, state, nth, isDry, kind = name as Task["kind"] } = how;
  const options = isDry === true ? { "dry-run": "yes" } : {};
  const task: Task = { id, host, component, version: plan.changes[0]?.to ?? "", kind, action, options };
  const step: Step = { id: `by-hand.${nth}`, kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host, groups: [[task]] }] }; // biome-ignore format: one line
  const event: TaskEvent = { task: id, action, state, durationMs: 1, exitCode: 0, reason: "", evidence: "" };
  const place = { step: step.id, host };
  return [
    { kind: "step-added", step, by: "ada", reason: "a look" },
    { kind: "step-started", step: step.id },
    { kind: "task", ...place, event },
    { kind: "host-ended", ...place, outcome: state === "done" ? "done" : "failed", evidence: "" },
    { kind: "step-ended", step: step.id },
  ];
}

/** Each verb that is named is taken. */
async function nextOf(journal: Journal): Promise<string[]> {
  const { next } = await readTaskBook(journal, undefined);
  const act = { controller: { journal, executor: { probe: async () => ({ kind: "observed", components: [] }) } } as unknown as Controller, by: "ada", reason: "look" }; // biome-ignore format: one line
  for (const command of next) {
    const [, verb, id = ""] = /^cutover task (undo|retry) (\S+)/.exec(command) ?? [];
    if (verb === "undo") await undoTask(act, parseTaskId(id));
    if (verb === "retry") await retryTask({ ...act, amend: false }, parseTaskId(id)).catch(notOfBundles);
  }
  return [...next];
}

/** The journal in memory has no bundles to look at; whether the task is left was asked before. */
function notOfBundles(error: unknown): void {
  assert.ok(error instanceof TypeError, String(error));
}

test("a confirmation that failed has no undo: it is tried again", async () => {
  const journal = await cameTo({ fails: ({ id, action }) => (id === "h1/app/confirm" && action === "do" ? "trial-over" : undefined) }); // biome-ignore format: one line
  assert.deepEqual(await nextOf(journal), [
    `cutover task show ${run}/h1/app/confirm`,
    `cutover task retry ${run}/h1/app/confirm --reason …`,
  ]);
});

test("what failed may be undone and tried again; what was tried on a host that the run has not come to is not asked for", async () => {
  const journal = await cameTo({ fails: ({ id, action }) => (id === "h1/app/drain" && action === "do" ? "busy" : undefined) }); // biome-ignore format: one line
  const named = ["show h1", "undo h1", "retry h1"].map((words) => words.split(" ") as [string, string]).map(([verb, host]) => `cutover task ${verb} ${run}/${host}/app/drain${verb === "show" ? "" : " --reason …"}`); // biome-ignore format: one line
  assert.deepEqual(await nextOf(journal), named);
  await say(journal, ...byHand("h2/app/drain", { action: "do", state: "done", nth: 1 }));
  await say(journal, ...byHand("h2/app/drain", { action: "undo", state: "done", nth: 2 }));
  await say(journal, ...byHand("h2/app/health", { action: "do", state: "failed", nth: 3 }));
  assert.deepEqual(await nextOf(journal), named);
});

test("while the run waits for a silent host the list says what plan and status say, whatever failed by hand before", async () => {
  const journal = await cameTo({ loses: (host, moment, step) => host === "h2" && step === "switch.2" && moment === "event" }); // biome-ignore format: one line
  await say(journal, ...byHand("h1/app/health", { action: "do", state: "failed", nth: 1 }));
  const [open] = await readOpenRuns(journal);
  assert.equal(open?.trouble.reason, "HostUnknown");
  assert.deepEqual(await nextOf(journal), [open?.trouble.next]);
});

test("a dry run is marked, and does not say how the task is", async () => {
  const journal = await cameTo({ fails: ({ id, action }) => (id === "h1/app/drain" && action === "do" ? "busy" : undefined) }); // biome-ignore format: one line
  await say(journal, ...byHand("h1/app/drain", { action: "do", state: "done", nth: 1, isDry: true }));
  const { tasks } = await readTaskBook(journal, undefined);
  const dry = tasks.filter(({ isDry }) => isDry).map(({ step, id }) => `${step} ${id}`);
  assert.deepEqual(dry, ["by-hand.1 h1/app/drain"]);
  const { row, story } = await readTask(journal, "h1/app/drain");
  assert.deepEqual([row.step, row.state, row.isDry], ["switch.1", "failed", false]);
  assert.deepEqual(story.at(-1)?.text, "dry run: do done");
  // What becomes of the task later is no word about it either, nor is a dry run of its undo one about the task.
  await say(journal, ...byHand("h1/app/drain", { action: "undo", state: "done", nth: 2 }));
  await say(journal, ...byHand("h1/app/drain", { action: "undo", state: "done", nth: 3, isDry: true }));
  const later = (await readTaskBook(journal, undefined)).tasks.filter(({ id }) => id === "h1/app/drain");
  assert.deepEqual(
    later.map(({ step, action, state, isDry }) => `${step} ${action} ${state}${isDry ? " dry" : ""}`),
    ["by-hand.1 do done dry", "by-hand.2 undo undone", "by-hand.3 undo done dry", "switch.1 do undone", "switch.1 undo pending"], // biome-ignore format: one line
  );
});

test("a run of one task by hand does not hide that of the release: the list says where it is", async () => {
  const done = makePlan(planInput({ components: { app: { hosts: ["h1"] } }, policy: { canaries: 1, batchSize: 1 } }));
  const journal = await cameTo({}, done);
  const [added] = byHand("h1/app/tidy", { action: "do", state: "done", nth: 0, isDry: true, kind: "hook" });
  assert.ok(added?.kind === "step-added");
  const alone = { ...plan, release: "by-hand", changes: [], steps: [added.step] };
  const head = { stream: "run/r2", at: 5 };
  await journal.append([
    { ...head, sequence: 1, kind: "run-planned", commit: "c", generation: "g", plan: alone, epoch: 1, fleet: [] },
    { ...head, sequence: 2, kind: "run-ended", outcome: "done", reason: "every host read back" },
  ]);
  const book = await readTaskBook(journal, undefined);
  assert.deepEqual([book.run, book.laterByHand, book.next], [run, "r2", []]);
  const own = await readTaskBook(journal, "r2");
  assert.deepEqual(
    [own.run, own.reason, own.laterByHand],
    ["r2", "it was a dry run, which changes nothing", undefined],
  );
});

test("a run of a slice that left some is done, and more is to do: 2, as plan and status say", async () => {
  const one = makePlan(planInput({ components: { app: { hosts: ["h1"] } }, policy: { canaries: 1, batchSize: 1 } }));
  const slice = { of: one.hash, terms: ["host=h1"], brought: [], left: [] };
  const parts = [
    slice,
    { ...slice, left: [{ task: "commit", component: "app", hosts: ["h1"] }] },
    { ...slice, untouched: [{ component: "web", hosts: 2 }] },
  ];
  const codes = parts.map(async (slice) => {
    const part = { ...one, slice };
    const book = await readTaskBook(await cameTo({}, part), undefined);
    return [book.outcome, runBookExitCode(book), book.next];
  });
  assert.deepEqual(await Promise.all(codes), [
    ["done", 0, []],
    ["done", 2, ["cutover plan, for what this slice has left"]],
    ["done", 2, ["cutover plan, for what this slice has left"]],
  ]);
});
