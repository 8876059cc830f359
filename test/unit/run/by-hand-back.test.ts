// A way back takes back what people ran as well, however it ended.
import assert from "node:assert/strict";
import test from "node:test";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { Task } from "../../../src/model/task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { decide } from "../../../src/run/decide.ts";
import { initialRunState, type RunState } from "../../../src/run/run-state.ts";
import { tryAgain } from "../../../src/run/try-again.ts";
import { begun as ahead, badly, byHand, convert, drain, ended, inBatch, on, said, tasks, turn, whole } from "../../support/by-hand-run.ts"; // biome-ignore format: one line
import { planInput } from "../../support/plan-input.ts";
import { isBad, play } from "../../support/play-balanced-run.ts";

const goBack: EventBody = { kind: "rollback-started", scope: "release", reason: "-", by: "ann" };
/** `ID undo` of what the way back does. */
function undoes(state: RunState): string[] {
  return undoesIn(on(state, goBack));
}
function undoesIn({ rollback }: RunState): string[] {
  const steps = rollback?.steps ?? [];
  return steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat().map((task) => `${task.id} ${task.action}`))); // biome-ignore format: one line
}
const skip = (task: string): EventBody => ({ kind: "task-skipped", task, by: "ann", reason: "-", signature: "" });
const submitted: EventBody = { kind: "submitted", step: "switch.1", host: "h1" };

test("what may have run by hand is undone: one whose answer was lost, and one that stands after an undo (P6, P7)", () => {
  const lost = inBatch(...whole, ...byHand(convert, "undo"), ...badly(convert, "do", { outcome: "unknown" }));
  assert.ok(undoes(lost).includes("h1/app/convert undo"));
  const out = inBatch(...whole, ...badly(drain, "do", { outcome: "unknown" }));
  assert.ok(undoes(out).includes("h1/app/drain undo"), "it may be out of traffic");
  assert.equal(undoes(inBatch(...whole, ...byHand(convert, "undo"))).includes("h1/app/convert undo"), false);
});

test("what was run by hand before its step came to it is undone: the step never began, or its host skipped it (P6)", () => {
  const [first] = tasks;
  assert.ok(first);
  const skipped = tasks.slice(1).map((task) => said("switch.1", task, "skipped", "earlier-failed"));
  const failed = inBatch(...byHand(convert, "do"), submitted, said("switch.1", first, "failed"), ...skipped, ended("failed")); // biome-ignore format: one line
  assert.ok(undoes(failed).includes("h1/app/convert undo"));
  const early = inBatch(...byHand(convert, "do"));
  const before = { ...early, startedSteps: early.startedSteps.delete("switch.1") };
  assert.deepEqual(undoes(before), ["h1/app/convert undo"], "and nothing that never ran");
});

test("what is skipped after it had begun is undone all the same (P6)", () => {
  const undone = inBatch(...whole, ...badly(convert, "undo", { word: "failed" }), skip(convert.id));
  assert.ok(undoes(undone).includes("h1/app/convert undo"));
  const out = inBatch(submitted, said("switch.1", drain, "failed"), ended("failed"), skip(drain.id));
  assert.ok(undoes(out).includes("h1/app/drain undo"), "it may be out of traffic");
  const never = inBatch(submitted, said("switch.1", drain, "failed"), ended("failed"), skip(convert.id));
  assert.equal(undoes(never).includes("h1/app/convert undo"), false);
});

test("what a person asked for and nobody began is not begun on a way back; what is under way is undone (P7)", () => {
  const [added, started] = byHand(convert, "do");
  assert.ok(added && started);
  const asked = on(inBatch(submitted, said("switch.1", drain, "failed"), ended("failed"), added), goBack);
  const next = decide(asked);
  assert.match(
    next !== undefined && "step" in next && typeof next.step === "object" ? next.step.id : "",
    /^rollback\./,
  );
  const underWay = inBatch(submitted, said("switch.1", drain, "failed"), ended("failed"), added, started);
  assert.ok(undoes(underWay).includes("h1/app/convert undo"));
});

/** What a person asked for of a task, and its host passed over; then it was handed over once more, and nobody knows. */
function passedOver(
  task: Task,
  ...since: readonly Extract<EventBody, { kind: "task" }>["event"]["state"][]
): EventBody[] {
  const [added, started] = byHand(task, task.action);
  assert.ok(added?.kind === "step-added" && started);
  const { id: step } = added.step;
  const again: EventBody = { kind: "host-reopened", step, host: "h1", turn: 1, tasks: [`${task.id} ${task.action}`], rest: [], by: "cutover", reason: "-" }; // biome-ignore format: one line
  return [added, started, { kind: "submitted", step, host: "h1" }, said(step, task, "skipped", "stale-epoch"), again, ...since.map((word) => said(step, task, word)), ended("unknown", step)]; // biome-ignore format: one line
}

test("what a person ran, was passed over and handed over once more, and nobody knows of since, is undone (P7)", () => {
  for (const since of [[], ["running"]] as const)
    assert.deepEqual(undoes(on(initialRunState, ...ahead.slice(0, -1), ...passedOver(convert, ...since))), ["h1/app/convert undo"]); // biome-ignore format: one line
});

const first = tasks[0] ?? assert.fail();
/** The first task failed, and nothing after it began. */
const stopped = [submitted, said("switch.1", first, "failed"), ...tasks.slice(1).map((task) => said("switch.1", task, "skipped", "earlier-failed")), ended("failed")]; // biome-ignore format: one line

test("a dry run that is handed over once more says nothing of the task itself, which never began (P6)", () => {
  const dry = { ...convert, options: { ...convert.options, "dry-run": "yes" } };
  const before = undoes(inBatch(...stopped));
  assert.deepEqual(before, [`${first.id} undo`]);
  assert.deepEqual(undoes(inBatch(...stopped, ...passedOver(dry))), before);
});

test("what was skipped, and is still to come after a task that is tried again by itself and fails again, never began (P6)", () => {
  const again = [turn(1, [first], tasks.slice(1)), submitted, said("switch.1", first, "failed"), ended("failed")];
  assert.deepEqual(undoes(inBatch(...stopped, ...again)), [`${first.id} undo`]);
});

test("a second round that fails before its switch puts back what it saved: the first one's switch has gone back (P4)", async () => {
  const saving = makePlan(planInput({ components: { app: { hosts: ["h1"], tasks: [{ name: "convert", at: "before-switch", scope: "host", hasUndo: true, canDryRun: true }], backup: true } }, rollbackPolicy: "manual" })); // biome-ignore format: one line
  const steps = saving.steps.find(({ id }) => id === "switch.1")?.work.flatMap(({ groups }) => groups.flat()) ?? [];
  const named = (name: string) => steps.find(({ id }) => id === `h1/app/${name}`) ?? assert.fail(name);
  const first = play(saving, isBad("confirm.1", "h1"));
  const confirm = saving.steps.find(({ id }) => id === "confirm.1");
  assert.ok(confirm);
  const again = await tryAgain({ run: "r1", state: first.state, events: first.events, step: confirm, host: "h1", observe: async () => [], hasUndo: async () => true, by: "ann", reason: "-" }); // biome-ignore format: one line
  const [undo] = again.undo;
  assert.ok(undo?.kind === "step-added");
  const { id, work } = undo.step;
  const undone = work.flatMap(({ groups }) => groups.flat()).map((task) => said(id, task, "done"));
  const before = on(first.state, undo, ...again.turns, { kind: "step-started", step: id }, ...undone, ended("done", id), { kind: "step-ended", step: id }); // biome-ignore format: one line
  const second = on(before, submitted, said("switch.1", named("backup"), "done"), said("switch.1", named("convert"), "failed"), said("switch.1", named("switch"), "skipped", "earlier-failed"), ended("failed")); // biome-ignore format: one line
  assert.deepEqual(undoes(second), ["h1/app/convert undo", "h1/app/backup undo"]);
});

const savedBy = (restorePoint?: { readonly components: readonly string[]; readonly withinMs: number }) => {
  const task = { name: "convert", at: "before-switch", scope: "host", hasUndo: false, canDryRun: false } as const;
  const release = { components: { app: { hosts: ["h1"], tasks: [task], backup: true } }, rollbackPolicy: "manual", ...(restorePoint === undefined ? {} : { restorePoint }) } as const; // biome-ignore format: one line
  const plan = makePlan(planInput(release));
  const own = plan.steps.find(({ id }) => id === "switch.1")?.work.flatMap(({ groups }) => groups.flat()) ?? [];
  const named = (name: string) => own.find(({ id }) => id === `h1/app/${name}`) ?? assert.fail(name);
  const ahead = plan.steps.slice(
    0,
    plan.steps.findIndex(({ id }) => id === "switch.1"),
  );
  const begun = [
    { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] } as unknown as EventBody,
    ...ahead.flatMap(({ id: step }): EventBody[] => [
      { kind: "step-started", step },
      { kind: "step-ended", step },
    ]),
  ];
  return { named, begun };
};

test("what one way back was to put back, and nobody read back as done, the next one puts back (R17, P7)", () => {
  const { named, begun } = savedBy();
  const failed = on(
    initialRunState,
    ...begun,
    { kind: "step-started", step: "switch.1" },
    submitted,
    said("switch.1", named("backup"), "done"),
    said("switch.1", named("convert"), "done"),
    said("switch.1", named("switch"), "failed", "below-floor"),
    ended("failed"),
  );
  const back: EventBody = { kind: "rollback-started", scope: "batch", step: "switch.1", reason: "-", by: "cutover" };
  assert.deepEqual(undoesIn(on(failed, back)), ["h1/app/switch undo", "h1/app/convert undo", "h1/app/backup undo"]);
  // Its host, or a balancer before it, cannot be reached.
  const begins = on(failed, back, { kind: "step-started", step: "rollback.1" });
  const again: EventBody = { ...goBack, inTraffic: true };
  const doubted = on(begins, again);
  assert.ok(undoesIn(doubted).includes("h1/app/backup undo"), undoesIn(doubted).join(" "));
  const third = on(doubted, { kind: "step-started", step: "rollback.again2.1" }, again);
  assert.ok(undoesIn(third).includes("h1/app/backup undo"), "and so does the one after it");
  const all = ["switch", "convert", "backup"].map((name) =>
    said("rollback.1", { ...named(name), action: "undo" }, "done"),
  );
  const isBack = on(begins, ...all, ended("done", "rollback.1"), again);
  assert.equal(undoesIn(isBack).includes("h1/app/backup undo"), false);
});

test("a restore point is not put back for one host, where a person ran a task ahead of its batch (R17, P4)", () => {
  const { named, begun } = savedBy({ components: ["app"], withinMs: 500 });
  const early = on(initialRunState, ...begun, said("restore-point", named("backup"), "done"), ...byHand(named("convert"), "do")); // biome-ignore format: one line
  assert.deepEqual(undoes(early), ["h1/app/convert undo"]);
  const refused = on(early, { kind: "step-started", step: "switch.1" }, ended("failed"));
  assert.deepEqual(undoes(refused), ["h1/app/convert undo"]);
  const saved = on(early, { kind: "step-started", step: "switch.1" }, submitted, said("switch.1", named("backup"), "done"), said("switch.1", named("switch"), "failed"), ended("failed")); // biome-ignore format: one line
  assert.ok(undoes(saved).includes("h1/app/backup undo"));
});
