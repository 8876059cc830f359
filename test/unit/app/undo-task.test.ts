// `cutover task undo` of a backup: before its switch, or after that went back. In between the way back of the switch puts the data back.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Controller } from "../../../src/app/controller.ts";
import { undoTask } from "../../../src/app/tasks/undo-task.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { memoryJournal } from "../../support/engine.ts";
import { planInput } from "../../support/plan-input.ts";

const plan = makePlan(planInput({ components: { app: { hosts: ["h1"], backup: true } }, rollbackPolicy: "manual" }));
const ended = (task: string, action: "do" | "undo"): EventBody => {
  const event = { task, action, state: "done", durationMs: 1, exitCode: 0, reason: "", evidence: "" } as const;
  return { kind: "task", step: "switch.1", host: "h1", event };
};

/** What is decided once these tasks have ended. */
async function undo(...tasks: readonly (readonly [string, "do" | "undo"] | EventBody)[]) {
  const journal = memoryJournal();
  const events: EventBody[] = [
    { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] },
    { kind: "step-started", step: "switch.1" },
    ...tasks.map((task) => ("kind" in task ? task : ended(...task))),
    { kind: "host-ended", step: "switch.1", host: "h1", outcome: "failed", evidence: "" },
  ];
  const at = (index: number) => ({ stream: "run/r1", sequence: index + 1, at: index });
  await journal.append(events.map((event, index) => ({ ...event, ...at(index) })));
  const controller = { journal } as unknown as Controller;
  return undoTask({ controller, by: "ada", reason: "look" }, { run: undefined, id: "h1/app/backup" });
}

test("the undo of a backup is refused while its component has switched, and the switch is what to undo first", async () => {
  await assert.rejects(undo(["h1/app/backup", "do"], ["h1/app/switch", "do"]), {
    code: "trial-open",
    remedy: "cutover task undo h1/app/switch --reason …",
  });
});

test("what its host passed over, since something before it had failed, has not begun: nobody skipped it", async () => {
  const skipped = { ...ended("h1/app/backup", "do") } as Extract<EventBody, { kind: "task" }>;
  await assert.rejects(undo({ ...skipped, event: { ...skipped.event, state: "skipped" } }), {
    code: "nothing-to-undo",
    message: "There is nothing to undo: h1/app/backup has not begun",
  });
});

test("before its switch, and after that was taken back, a backup is undone by itself", async () => {
  const switched = [["h1/app/switch", "do"], ["h1/app/switch", "undo"]] as const; // biome-ignore format: one line
  for (const more of [[], switched]) {
    const { events } = await undo(["h1/app/backup", "do"], ...more);
    const [added] = events;
    assert.ok(added?.kind === "step-added");
    assert.deepEqual(added.step.work[0]?.groups.flat().map(({ id, action, options }) => [id, action, options]), [["h1/app/backup", "undo", { "trial-run": "r1" }]]); // biome-ignore format: one line
  }
});
