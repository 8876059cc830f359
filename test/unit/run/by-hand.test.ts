// What a person runs and takes back by hand is what the plan goes by.
import assert from "node:assert/strict";
import test from "node:test";
import { foundIn } from "../../../src/app/tasks/find-task.ts";
import { refuseDone } from "../../../src/app/tasks/retry-task.ts";
import { CutoverError } from "../../../src/errors.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { Task } from "../../../src/model/task.ts";
import { stepAtWork } from "../../../src/run/at-work.ts";
import { leftOfStep } from "../../../src/run/by-hand.ts";
import { decide } from "../../../src/run/decide.ts";
import { leaveOutHeld } from "../../../src/run/leave-out-held.ts";
import { reduce } from "../../../src/run/machine.ts";
import type { RunState } from "../../../src/run/run-state.ts";
import { isBetween } from "../../../src/run/run-state.ts";
import { tryAgain } from "../../../src/run/try-again.ts";
import { readBacksByHand } from "../../../src/run/unread.ts";
import { badly, batch, byHand, change, convert, drain, ended, inBatch, leftAfter, on, plan, probe, said, standsAt, tasks, turn, whole } from "../../support/by-hand-run.ts"; // biome-ignore format: one line

const rest = tasks.filter((task) => task !== convert);

test("what was taken back between two single steps is missing, and nothing goes on without it (P7)", () => {
  const state = inBatch(turn(1, [convert], rest), said("switch.1", convert, "done"), ...byHand(convert, "undo"));
  assert.deepEqual(standsAt(state), ["hold", "missing"]);
});

test("a turn that was opened and not handed over does it again: that is how a retry takes back first", () => {
  for (const opened of [turn(2, [convert], rest), turn(2, [change], [convert])]) {
    const back = byHand(convert, "undo");
    const state = inBatch(turn(1, tasks, []), said("switch.1", convert, "done"), ended("failed"), back[0] as EventBody, opened, ...back.slice(1)); // biome-ignore format: one line
    assert.deepEqual(standsAt(state), ["run-step", undefined]);
  }
});

test("what was run by hand after that is there again: the step stands as before", () => {
  const all = tasks.map((task) => said("switch.1", task, "done"));
  const between = inBatch(turn(1, [convert], rest), said("switch.1", convert, "done"), ...byHand(convert, "undo"), ...byHand(convert, "do")); // biome-ignore format: one line
  assert.deepEqual(standsAt(between), ["run-step", undefined], "the rest of it is to come");
  const whole = inBatch(...all, ended("done"), ...byHand(convert, "undo"), ...byHand(convert, "do"));
  assert.deepEqual(standsAt(whole), ["end-step", "done"]);
});

test("running one by hand does not stand for others that are missing, nor for what the host skipped after a failure (P10)", () => {
  const all = tasks.map((task) => said("switch.1", task, "done"));
  const two = inBatch(...all, ended("done"), ...byHand(convert, "undo"), ...byHand(change, "undo"), ...byHand(convert, "do")); // biome-ignore format: one line
  assert.deepEqual(standsAt(two), ["hold", "missing"]);
  const skipped = rest.map((task) => said("switch.1", task, "skipped", "earlier-failed"));
  const failed = inBatch(said("switch.1", convert, "failed"), ...skipped, ended("failed"), ...byHand(convert, "undo"), ...byHand(convert, "do")); // biome-ignore format: one line
  assert.deepEqual(standsAt(failed), ["hold", "missing"]);
});

test("a host that was taken out of traffic again by hand, after the step had put it back, is not back (P7)", () => {
  const all = tasks.map((task) => said("switch.1", task, "done"));
  const state = inBatch(
    ...all,
    ended("done"),
    ...byHand(convert, "undo"),
    ...byHand(drain, "do"),
    ...byHand(convert, "do"),
  );
  assert.deepEqual(standsAt(state), ["hold", "missing"]);
});

test("a task that is run by hand stands for itself: what was taken back before it in an earlier turn is still missing (P7)", () => {
  const second = tasks[tasks.indexOf(convert) + 1];
  assert.ok(second);
  const later = tasks.filter((task) => task !== convert && task !== second);
  const stepped = [turn(1, [convert], [second, ...later]), said("switch.1", convert, "done"), turn(2, [second], later), said("switch.1", second, "done")]; // biome-ignore format: one line
  for (const other of [second, probe])
    assert.deepEqual(standsAt(inBatch(...stepped, ...byHand(convert, "undo"), ...byHand(other, "do"))), ["hold", "missing"]); // biome-ignore format: one line
  assert.deepEqual(standsAt(inBatch(...stepped, ...byHand(convert, "undo"), ...byHand(convert, "do"))), ["run-step", undefined]); // biome-ignore format: one line
});

test("a new turn knows nothing of what an earlier one came to: between two is who has done all of the newest", () => {
  const again = inBatch(turn(1, tasks, []), ...tasks.map((task) => said("switch.1", task, "done")), ended("done"), turn(2, [change], [probe])); // biome-ignore format: one line
  assert.equal(isBetween(again, "switch.1", "h1"), false, "the switch of this turn is to come");
  assert.equal(isBetween(reduce(again, said("switch.1", change, "done"), "r1"), "switch.1", "h1"), true);
});

test("a drain that the step has undone itself is not missing, whoever undoes it once more: done again it would stay out of traffic", () => {
  const all = tasks.map((task) => said("switch.1", task, "done"));
  const events = [...all, ended("done"), ...byHand(drain, "do"), ...byHand(drain, "undo")];
  assert.deepEqual(standsAt(inBatch(...events)), ["end-step", "done"]);
  assert.deepEqual(leftAfter([...events, ...byHand(convert, "undo")]), ["h1/app/convert do"]);
  const midway = [turn(1, [drain], rest), said("switch.1", drain, "done"), ...byHand(drain, "undo")];
  assert.deepEqual(leftAfter(midway).filter((key) => key.startsWith(drain.id)), ["h1/app/drain do", "h1/app/drain undo"]); // biome-ignore format: one line
});

test("what is left goes by the plan's own words, by no other version's, and by none of an earlier round (P10)", () => {
  const failed = [said("switch.1", convert, "failed"), ended("failed")];
  const byItself = leftAfter([...failed, ...byHand(convert, "undo"), ...byHand(convert, "do")]);
  assert.ok(byItself.includes("h1/app/convert do"), "a retry is never refused over what the step itself has not done");
  const other = { ...convert, version: "1.0.0" };
  const done = [said("switch.1", convert, "done"), ...byHand(convert, "undo"), ...byHand(other, "do")];
  assert.ok(leftAfter(done).includes("h1/app/convert do"));
  const aside = [said("switch.1", convert, "done"), ...byHand(other, "undo")];
  assert.equal(leftAfter(aside).includes("h1/app/convert do"), false);
  const round = tasks.map((task) => said("switch.1", task, "done"));
  const again = [...round, turn(2, [drain], rest), said("switch.1", drain, "done")];
  assert.ok(leftAfter(again).includes("h1/app/drain undo"), "of the second round: else the host stays out of traffic");
});

test("an undo by hand that failed leaves nobody sure: the run waits, until one that is done has it as the step left it (P7)", () => {
  const all = tasks.map((task) => said("switch.1", task, "done"));
  const [added, started] = byHand(drain, "undo");
  assert.ok(added?.kind === "step-added" && started);
  const { id } = added.step;
  const failed = [
    added,
    started,
    said(id, { ...drain, action: "undo" }, "failed"),
    { kind: "host-ended", step: id, host: "h1", outcome: "failed", evidence: "" },
    { kind: "step-ended", step: id },
  ] as EventBody[];
  const events = [...all, ended("done"), ...byHand(drain, "do"), ...failed];
  assert.deepEqual(standsAt(inBatch(...events)), ["hold", "missing"]);
  assert.deepEqual(standsAt(inBatch(...events, ...byHand(drain, "undo"))), ["end-step", "done"]);
});

test("what a turn failed over is tried again in a new turn: the old one would be told as it was", () => {
  const failed = [turn(1, [convert], rest), said("switch.1", convert, "failed"), ended("failed")];
  const state = inBatch(...failed, ...byHand(convert, "undo"), ...byHand(convert, "do"));
  assert.deepEqual(standsAt(state), ["hold", "missing"]);
});

test("one that may have run and told nothing leaves nobody sure; one that the host refused, or that only looks, changes nothing (P7)", () => {
  for (const bad of [{ outcome: "failed" }, { word: "failed" }] as const)
    for (const action of ["do", "undo"] as const) {
      const events = [...whole, ...badly(convert, action, bad)];
      assert.deepEqual(standsAt(inBatch(...events)), ["hold", "missing"], `${action} ${JSON.stringify(bad)}`);
      assert.deepEqual(leftAfter(events), ["h1/app/convert do"], "a retry does it again");
      assert.deepEqual(standsAt(inBatch(...events, ...byHand(convert, "do"))), ["end-step", "done"]);
    }
  const check: Task = { ...convert, id: "h1/app/check", kind: "check", options: {} };
  for (const events of [badly(convert, "undo", { isSubmitted: false }), badly(check, "do"), badly(convert, "do", { word: "skipped" })]) // biome-ignore format: one line
    assert.deepEqual(standsAt(inBatch(...whole, ...events)), ["end-step", "done"]);
  const skipped = inBatch(...whole, ...badly(convert, "do", { word: "skipped" }));
  assert.equal(skipped.tasks.get(convert.id)?.state, "done", "the way back undoes it");
});

test("a step that had ended waits, and the run goes on from where it was once the task is there again", () => {
  const onward = [...whole, { kind: "step-ended", step: "switch.1" } as EventBody];
  const at = (events: readonly EventBody[]) => {
    const effect = decide(inBatch(...events));
    return effect !== undefined && "step" in effect && typeof effect.step === "object"
      ? [effect.kind, effect.step.id]
      : [effect?.kind];
  };
  assert.deepEqual(at(onward), ["start-step", "confirm.1"]);
  assert.deepEqual(at([...onward, ...byHand(convert, "undo")]), ["hold", "switch.1"]);
  assert.deepEqual(at([...onward, ...byHand(convert, "undo"), ...byHand(convert, "do")]), ["start-step", "confirm.1"]);
  const skip = { kind: "task-skipped", task: convert.id, by: "ann", reason: "-", signature: "" } as EventBody;
  assert.deepEqual(at([...onward, ...byHand(convert, "undo"), skip]), ["start-step", "confirm.1"]);
  const leftOut = { kind: "host-left-out", step: "switch.1", host: "h1", reason: "-" } as EventBody;
  assert.deepEqual(at([...onward, ...byHand(convert, "undo"), leftOut]), ["start-step", "confirm.1"]);
});

test("what a retry takes back first and cannot keeps the turn that it opened; it may be tried again, and is done only then (P7)", () => {
  const failed = [said("switch.1", convert, "done"), said("switch.1", change, "failed"), ended("failed")];
  const [added, ...undo] = badly(convert, "undo", { word: "failed" });
  assert.ok(added);
  const kept = [...failed, added, turn(1, tasks, []), ...undo];
  assert.deepEqual(standsAt(inBatch(...kept)), ["hold", "missing"]);
  assert.equal(stepAtWork(inBatch(...kept), "h1", batch), undefined, "nothing of it was handed over");
  assert.deepEqual(standsAt(inBatch(...kept, turn(2, tasks, []))), ["run-step", undefined]);
});

test("nothing is done by hand on a host beside a step of it that nobody has read back, whichever it is (P7)", () => {
  const lost = inBatch(...whole, { kind: "step-ended", step: "switch.1" }, { kind: "step-started", step: "confirm.1" }, { kind: "submitted", step: "confirm.1", host: "h1" }); // biome-ignore format: one line
  assert.equal(stepAtWork(lost, "h1", batch)?.id, "confirm.1");
  const unknown = reduce(lost, { kind: "host-ended", step: "confirm.1", host: "h1", outcome: "unknown", evidence: "" }, "r1"); // biome-ignore format: one line
  assert.equal(stepAtWork(unknown, "h1", batch)?.id, "confirm.1");
  const readBack = reduce(unknown, { kind: "host-ended", step: "confirm.1", host: "h1", outcome: "done", evidence: "" }, "r1"); // biome-ignore format: one line
  assert.equal(stepAtWork(readBack, "h1", batch), undefined);
});

test("one of which nobody knows is read back before anything else is done there, also one of another version; a way back does not wait (P7)", () => {
  const other: Task = { ...convert, version: "1.0.0" };
  for (const ahead of [[], whole])
    for (const task of [convert, other]) {
      const lost = inBatch(...ahead, ...badly(task, "do", { outcome: "unknown", isSubmitted: false }));
      assert.deepEqual(
        readBacksByHand(lost).map(({ hosts }) => hosts),
        [["h1"]],
      );
      const next = decide(lost);
      assert.ok(next?.kind !== "run-step" && next?.kind !== "end", "nothing more is handed over there");
      assert.ok(stepAtWork(lost, "h1", batch));
      const back = on(lost, { kind: "rollback-started", scope: "release", reason: "-", by: "ann" });
      assert.deepEqual([back.added.every(({ id }) => back.endedSteps.has(id)), decide(back)?.kind !== "wait"], [true, true]); // biome-ignore format: one line
      const leftOut = on(lost, { kind: "host-left-out", step: "switch.1", host: "h1", reason: "-" });
      assert.equal(decide(leftOut)?.kind, "end-step");
    }
});

test("a retry that failed again keeps no verb from its host: turns that were only opened are not at work (P7)", async () => {
  const confirm = plan.steps.find(({ id }) => id === "confirm.1");
  assert.ok(confirm);
  const confirming: EventBody[] = [{ kind: "step-ended", step: "switch.1" }, { kind: "step-started", step: confirm.id }, { kind: "submitted", step: confirm.id, host: "h1" }, ended("failed", confirm.id)]; // biome-ignore format: one line
  const state = inBatch(...whole, ...confirming);
  // It went back at its deadline.
  const again = await tryAgain({ run: "r1", state, events: whole, step: confirm, host: "h1", observe: async () => [], hasUndo: async () => true, by: "ann", reason: "-" }); // biome-ignore format: one line
  const [undo] = again.undo;
  assert.ok(undo?.kind === "step-added");
  const { id } = undo.step;
  const undone = undo.step.work.flatMap(({ groups }) => groups.flat()).map((task) => said(id, task, "done"));
  const failed = on(state, undo, ...again.turns, { kind: "step-started", step: id }, ...undone, ended("done", id), { kind: "step-ended", step: id }, { kind: "submitted", step: "switch.1", host: "h1" }, said("switch.1", drain, "failed"), ended("failed")); // biome-ignore format: one line
  assert.deepEqual(standsAt(failed), ["hold", "failed"]);
  assert.equal(failed.turns.get("confirm.1/h1")?.isBegun, false);
  assert.equal(stepAtWork(failed, "h1", batch), undefined);
});

test("a step of a person's own that is cut into turns takes back no word of another one (P10)", () => {
  const dry: Task = { ...convert, options: { ...convert.options, "dry-run": "yes" } };
  const [added, started] = byHand(dry, "do");
  assert.ok(added?.kind === "step-added" && started);
  const cut: EventBody = { kind: "host-reopened", step: added.step.id, host: "h1", turn: 1, tasks: ["h1/app/convert do"], rest: [], by: "cutover", reason: "-" }; // biome-ignore format: one line
  const told = [added, started, cut, said(added.step.id, dry, "done"), ended("done", added.step.id), { kind: "step-ended", step: added.step.id } as const]; // biome-ignore format: one line
  assert.deepEqual(standsAt(inBatch(...whole, ...byHand(convert, "undo"), ...told)), ["hold", "missing"]);
});

test("a host that is on hold is left out of a run that waits for what is missing there", () => {
  const held = leaveOutHeld(inBatch(...whole, ...byHand(convert, "undo")), new Map([["h1", "burnt"]]));
  assert.deepEqual(held.map((event) => event.kind === "host-left-out" && [event.host, event.reason]), [["h1", "burnt"]]); // biome-ignore format: one line
  const failed = inBatch(said("switch.1", convert, "failed"), ended("failed"));
  assert.deepEqual(leaveOutHeld(failed, new Map([["h1", "burnt"]])), []);
});

test("in a run that is stepped through only what was tried, is missing, or comes next is tried again, not all that comes before it (P12)", () => {
  const stepped = (...events: readonly EventBody[]) => ({ ...inBatch(...events), pace: "one-task" }) as const;
  const refuses = (state: RunState, task: Task) => {
    const found = foundIn({ run: "r1", events: [], state }, task.id);
    assert.ok(found);
    try {
      refuseDone(found, leftOfStep(state, batch, "h1"));
    } catch (error) {
      return error instanceof CutoverError ? error.message : String(error);
    }
    return undefined;
  };
  const later = tasks.filter((task) => task !== drain);
  const undone = stepped(turn(1, [drain], later), said("switch.1", drain, "done"), ...byHand(drain, "undo"));
  assert.equal(refuses(undone, drain), undefined);
  assert.match(refuses(undone, probe) ?? "", /has not been tried yet, and h1\/app\/drain do comes before it/);
  const failed = stepped(turn(1, [drain], later), said("switch.1", drain, "failed"), ended("failed"));
  assert.deepEqual([refuses(failed, drain), refuses({ ...failed, pace: "run" }, probe)], [undefined, undefined]);
  const skipped = inBatch(said("switch.1", convert, "failed"), ended("failed"), { kind: "task-skipped", task: convert.id, by: "ann", reason: "-", signature: "" }); // biome-ignore format: one line
  assert.match(refuses(skipped, convert) ?? "", /skipped in this run/);
});
