// `cutover task undo`: one task of an open run is taken back, and everything else stands. What comes after it waits.
import { CutoverError } from "../../errors.ts";
import type { Step } from "../../model/plan.ts";
import { mayStand } from "../../model/task.ts";
import { lastingKinds, undoByHand } from "../../run/by-hand.ts";
import { isOwed } from "../../run/owed-bundles.ts";
import { placeOf } from "../../run/run-state.ts";
import { isStepped, nextByHand } from "../../run/try-again.ts";
import { bringing, type TaskAct, type TaskDecision } from "./act-in-run.ts";
import { type AskedTask, type FoundTask, findTask, refuseAtWork, refuseEnded } from "./find-task.ts";
import { refuseNoUndo } from "./refuse-no-undo.ts";

/** Throws `nothing-to-undo` for a task that never started, or that has no way back of its own, `undo-unknown`. */
export async function undoTask(act: TaskAct, asked: AskedTask): Promise<TaskDecision> {
  const found = await findTask(act.controller.journal, asked);
  refuseEnded(found, "undone");
  refuseAtWork(found);
  refuseUndo(found);
  refuseUnderSwitch(found);
  await refuseNoUndo(act.controller, found);
  const { by, reason } = act;
  const step = undoStep(found);
  const pace = isStepped(found) ? "by-hand" : "run";
  return { found, events: [{ kind: "step-added", step, by, reason }], asked: placeOf(step.id, found.task.host), pace };
}

export function refuseUndo({ run, state, task }: FoundTask): void {
  const reached = state.tasks.get(task.id)?.state ?? "pending";
  const why = !lastingKinds.includes(task.kind)
    ? `${task.kind} has no undo of its own`
    : !mayStand(reached)
      ? // What its host passed over since something before it had failed is still to come.
        `${task.id} ${reached === "skipped" && !state.skipped.has(task.id) ? "has not begun" : `is ${reached}`}`
      : undefined;
  if (why === undefined) return;
  throw new CutoverError({
    code: "nothing-to-undo",
    message: `There is nothing to undo: ${why}`,
    impact: "Nothing was changed",
    remedy: `cutover task list ${run}`,
  });
}

/** Hosts refuse to put old data back under a new version; asked all the same, the step would wait for a person as if it were taken back. */
export function refuseUnderSwitch({ state, task }: FoundTask): void {
  const switched = `${task.host}/${task.component}/switch`;
  if (task.kind !== "backup" || state.tasks.get(switched)?.state !== "done") return;
  throw new CutoverError({
    code: "trial-open",
    message: `${task.component} on ${task.host} has switched since ${task.id} saved its data`,
    impact: "Nothing was changed; the way back of the switch puts that data back",
    remedy: `cutover task undo ${switched} --reason …`,
  });
}

function undoStep({ run, state, step, task }: FoundTask): Step {
  const ahead = isOwed(state, task) ? bringing(task) : [];
  const work = [{ host: task.host, groups: [...ahead, [undoByHand(task, run)]] }];
  return { id: nextByHand({ state }), kind: "task", phase: step.phase, batch: 0, soakSeconds: 0, work };
}
