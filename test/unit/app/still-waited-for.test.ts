// `cutover task run` beside a run that waits: what does not count there is said with what does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { stillWaitedFor } from "../../../src/app/tasks/still-waited-for.ts";
import type { Step } from "../../../src/model/plan.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { Task, TaskEvent } from "../../../src/model/task.ts";
import { hookTask } from "../../../src/plan/host-tasks.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { replayRun } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const hook = { scope: "host", hasUndo: true, canDryRun: true } as const;
const tasks = [
  { ...hook, name: "convert", at: "before-switch" },
  { ...hook, name: "tidy", at: "finish" },
] as const;
const plan = makePlan(planInput({ components: { app: { hosts: ["h1"], tasks } }, rollbackPolicy: "manual" }));
const id = "h1/app/convert";

/** A run that waits, since convert failed. */
async function waiting() {
  const journal = memoryJournal();
  const { executor } = inProcessHosts({
    fails: (task) => (task.id === id && task.action === "do" ? "odd" : undefined),
  });
  const more = { signal: AbortSignal.timeout(20_000) };
  await runController({ plan, journal, executor, epoch: 1, more });
  let nth = 0;
  return async ({ name = "convert", version = "2.0.0", action = "do", state = "done", isDry = false }: ByHand) => {
    nth += 1;
    const made = hookTask({ host: "h1", component: "app", to: version }, { name });
    const task: Task = { ...made, action, options: { ...made.options, ...(isDry ? { "dry-run": "yes" } : {}) } };
    const step: Step = { id: `by-hand.${nth}`, kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h1", groups: [[task]] }] }; // biome-ignore format: one line
    const event: TaskEvent = { task: task.id, action, state, durationMs: 1, exitCode: 0, reason: "", evidence: "" };
    const place = { step: step.id, host: "h1" };
    const said: EventBody[] = [
      { kind: "step-added", step, by: "ada", reason: "a look" },
      { kind: "step-started", step: step.id },
      { kind: "task", ...place, event },
      { kind: "host-ended", ...place, outcome: state === "done" ? "done" : "failed", evidence: "" },
      { kind: "step-ended", step: step.id },
    ];
    const last = (await journal.newest(`run/${run}`))?.sequence ?? 0;
    await journal.append(said.map((body, index) => ({ ...body, stream: `run/${run}`, sequence: last + 1 + index, at: 9_000 }))); // biome-ignore format: one line
    const { state: after } = await replayRun(journal, run);
    return stillWaitedFor(journal, { run, state: after, asked: `${step.id}/h1` });
  };
}

interface ByHand extends Partial<Pick<Task, "version" | "action">> {
  readonly name?: string;
  readonly state?: "done" | "failed";
  readonly isDry?: boolean;
}

test("what the run waits for is still waited for after a dry run, a failure, or another version's task by hand", async () => {
  const byHand = await waiting();
  const waits = "the run still waits for convert on h1";
  const next = `cutover task retry ${run}/${id} --reason …`;
  for (const [how, message] of [
    [{ isDry: true }, `${waits}: a dry run does not count there`],
    [{ state: "failed" }, waits],
    [{ version: "3.0.0" }, `${waits}: it brings 2.0.0, and what 3.0.0 did does not count there`],
    [{}, `${waits}: run by hand counts only what had been done and was taken back`],
  ] as const)
    assert.deepEqual(await byHand(how), { task: id, message, next });
});

test("nothing is said of a task that the run has not come to, nor of an undo", async () => {
  const byHand = await waiting();
  assert.equal(await byHand({ name: "tidy" }), undefined);
  assert.equal(await byHand({ action: "undo" }), undefined);
});
