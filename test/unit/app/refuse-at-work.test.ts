// Who may say something about a task of a step that has begun: nobody while the host may be at work on it (P7).
import assert from "node:assert/strict";
import { test } from "node:test";
import { findTask, refuseAtWork } from "../../../src/app/tasks/find-task.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { memoryJournal } from "../../support/engine.ts";
import { planInput } from "../../support/plan-input.ts";

const plan = makePlan(planInput({ components: { app: { hosts: ["h1"], backup: true, health: true } } }));
const turn = { kind: "host-reopened", step: "switch.1", host: "h1", turn: 1, tasks: ["h1/app/switch do"], rest: ["h1/app/health do"] } as const; // biome-ignore format: one line
const skipped: EventBody = { ...turn, by: "ada", reason: "no data" };
const resumed: EventBody = { kind: "run-resumed", epoch: 2, pace: "one-task" };

async function asked(pace: "one-task" | undefined, ...said: readonly EventBody[]) {
  const journal = memoryJournal();
  const events: EventBody[] = [
    { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [], ...(pace === undefined ? {} : { pace }) }, // biome-ignore format: one line
    { kind: "step-started", step: "switch.1" },
    { kind: "host-ended", step: "switch.1", host: "h1", outcome: "failed", evidence: "" },
    ...said,
  ];
  await journal.append(events.map((event, index) => ({ ...event, stream: "run/r1", sequence: index + 1, at: index })));
  refuseAtWork(await findTask(journal, { run: undefined, id: "h1/app/health" }));
}

test("in a run that is stepped through, what was said opens a turn that nobody was handed yet: the next word is heard", async () => {
  await asked("one-task", skipped);
  await asked("one-task", skipped, { ...turn, turn: 2, by: "ada", reason: "and again" });
});

test("once somebody drove the run since, or drives it at full pace, the host may be at work on that turn (P7)", async () => {
  const atWork = { code: "task-at-work", message: "h1 is at work on switch.1, or will be" };
  await assert.rejects(asked("one-task", skipped, resumed), atWork);
  await assert.rejects(asked(undefined, skipped), atWork);
});
