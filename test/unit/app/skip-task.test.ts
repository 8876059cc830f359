// `cutover task skip` of a backup whose data was put back: its host would switch nothing any more, and nobody could take the skip back.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Controller } from "../../../src/app/controller.ts";
import { retryTask } from "../../../src/app/tasks/retry-task.ts";
import { skipTask } from "../../../src/app/tasks/skip-task.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { memoryJournal } from "../../support/engine.ts";
import { planInput } from "../../support/plan-input.ts";

const id = "h2/app/backup";
const plan = makePlan(planInput({ components: { app: { hosts: ["h1", "h2"], backup: true } }, policy: { canaries: 0, batchSize: 2 }, rollbackPolicy: "manual" })); // biome-ignore format: one line
const said = (step: string, action: "do" | "undo"): EventBody => ({
  kind: "task",
  step,
  host: "h2",
  event: { task: id, action, state: "done", durationMs: 1, exitCode: 0, reason: "", evidence: "" },
});

async function runWith(given: typeof plan, ...events: readonly EventBody[]) {
  const journal = memoryJournal();
  const planned: EventBody = { kind: "run-planned", commit: "c", generation: "g", plan: given, epoch: 1, fleet: [] };
  await journal.append([planned, ...events].map((event, at) => ({ ...event, stream: "run/r1", sequence: at + 1, at }))); // biome-ignore format: one line
  // Whoever may skip is asked for a signature next.
  const signer = { sign: () => Promise.reject(new Error("asked to sign")) };
  return { journal, signer } as unknown as Controller;
}
const undone = (step: string): EventBody[] => {
  const task = { id, action: "undo", kind: "backup", host: "h2", component: "app", version: "2.0.0", options: {} } as const; // biome-ignore format: one line
  const own = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h2", groups: [[task]] }] } as const; // biome-ignore format: one line
  return [
    said(step, "do"),
    { kind: "host-ended", step, host: "h2", outcome: step === "switch.1" ? "failed" : "done", evidence: "" },
    ...(step === "switch.1" ? [] : [{ kind: "step-ended", step } as const, { kind: "step-started", step: "switch.1" } as const]), // biome-ignore format: one line
    { kind: "step-added", step: own, by: "ann", reason: "odd" },
    { kind: "step-started", step: own.id },
    said(own.id, "undo"),
    { kind: "host-ended", step: own.id, host: "h2", outcome: "done", evidence: "" },
    { kind: "step-ended", step: own.id },
  ];
};
const skip = (controller: Controller) => skipTask({ controller, keyPath: "key", reason: "no room" }, { run: "r1", id });

test("a backup that was never made may be skipped; one whose data was put back may not: its host would refuse every switch (P4)", async () => {
  const begun = { kind: "step-started", step: "switch.1" } as const;
  const failed = { kind: "host-ended", step: "switch.1", host: "h2", outcome: "failed", evidence: "" } as const;
  await assert.rejects(skip(await runWith(plan, begun, failed)), /asked to sign/);
  await assert.rejects(skip(await runWith(plan, begun, ...undone("switch.1"))), {
    code: "not-to-be-skipped",
    message: /is old, or was put back: app on h2 switches nothing before it is saved anew/,
    remedy: `cutover task retry r1/${id} --reason …, cutover hold h2 --reason …, or cutover rollback --reason …`,
  });
});

test("a part of a restore point that was put back, and cannot be taken anew, is skipped only where nothing switches", async () => {
  const point = makePlan(planInput({ components: { app: { hosts: ["h1", "h2"], backup: true } }, restorePoint: { components: ["app"], withinMs: 500 }, rollbackPolicy: "manual" })); // biome-ignore format: one line
  const controller = await runWith(point, { kind: "step-started", step: "restore-point" }, ...undone("restore-point"));
  await assert.rejects(retryTask({ controller, by: "ann", reason: "look", amend: false }, { run: "r1", id }), {
    code: "nothing-to-retry",
    remedy: "cutover hold h2 --reason …, or cutover rollback --reason …",
  });
  await assert.rejects(skip(controller), { code: "not-to-be-skipped" });
});
