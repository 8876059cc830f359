// `cutover task retry` of a part of a restore point: the point is taken whole, and only as long as nothing that it saves has moved on.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Controller } from "../../../src/app/controller.ts";
import { retryTask } from "../../../src/app/tasks/retry-task.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { memoryJournal } from "../../support/engine.ts";
import { planInput } from "../../support/plan-input.ts";

const plan = makePlan(
  planInput({
    components: { cache: { hosts: ["h2"], backup: true }, database: { hosts: ["h1"], backup: true } },
    observed: { h2: { cache: { current: "2.0.0" } } },
    restorePoint: { components: ["database", "cache"], withinMs: 500 },
  }),
);

test("a part of a restore point that was taken back is not saved again once something has switched", async () => {
  const journal = memoryJournal();
  const undo = { action: "undo", state: "done", durationMs: 1, exitCode: 0, reason: "", evidence: "" } as const;
  const task = { id: "h2/cache/backup", action: "undo", kind: "backup", host: "h2", component: "cache", version: "2.0.0", options: {} } as const; // biome-ignore format: one line
  const step = { id: "by-hand.1", kind: "task", phase: "prepare", batch: 0, soakSeconds: 0, work: [{ host: "h2", groups: [[task]] }] } as const; // biome-ignore format: one line
  const events: EventBody[] = [
    { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] },
    { kind: "step-started", step: "restore-point" },
    ...["h1", "h2"].map((host) => ({ kind: "host-ended", step: "restore-point", host, outcome: "done", evidence: "" }) as const), // biome-ignore format: one line
    { kind: "step-ended", step: "restore-point" },
    { kind: "step-started", step: "switch.1" },
    { kind: "step-added", step, by: "ada", reason: "odd" },
    { kind: "task", step: step.id, host: "h2", event: { task: task.id, ...undo } },
  ];
  await journal.append(events.map((event, index) => ({ ...event, stream: "run/r1", sequence: index + 1, at: index })));
  const controller = { journal } as unknown as Controller;
  await assert.rejects(
    retryTask({ controller, by: "ada", reason: "look", amend: false }, { run: undefined, id: task.id }),
    {
      code: "nothing-to-retry",
      message: /the restore point is taken whole, and switch\.1 has begun/,
      remedy: "cutover task skip r1/h2/cache/backup --reason …, or cutover rollback --reason …",
    },
  );
});
