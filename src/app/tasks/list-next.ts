// The `next:` of `task list`: what leads on from the run as a whole. A task is named only while the run waits for a decision about it,
// and only with a verb that is not refused: whoever refuses is asked.
import { CutoverError } from "../../errors.ts";
import type { Step } from "../../model/plan.ts";
import type { TaskId, TaskState } from "../../model/task.ts";
import { leftOfStep } from "../../run/by-hand.ts";
import { decide } from "../../run/decide.ts";
import { openTrouble } from "../open-trouble.ts";
import { type FoundTask, foundIn, type LoadedRun, refuseAtWork, refuseEnded } from "./find-task.ts";
import { refuseDone } from "./retry-task.ts";
import { refuseUnderSwitch, refuseUndo } from "./undo-task.ts";

interface Row {
  readonly id: TaskId;
  readonly step: string;
  readonly host: string;
  readonly state: TaskState;
}

/** One command a line; empty where nothing is left to do. `rows` are all of the run. */
export function listNext(found: LoadedRun, rows: readonly Row[]): string[] {
  const { run, state } = found;
  const added = new Set(state.added.map(({ id }) => id));
  const planned = rows.filter(({ step }) => !added.has(step));
  if (state.outcome !== undefined) {
    const failed = planned.find((row) => row.state === "failed");
    if (failed !== undefined) return [`cutover task show ${run}/${failed.id}`];
    return state.outcome === "done" && leavesSome(state) ? ["cutover plan, for what this slice has left"] : [];
  }
  const trouble = openTrouble({ run, state });
  if (trouble === undefined) return [];
  return trouble.reason === "DecisionNeeded" ? decisions(found, planned) : [trouble.next];
}

/** It was of a part of a plan, and the release is not as git asks for by that alone. */
export function leavesSome({ plan }: Pick<LoadedRun["state"], "plan">): boolean {
  const { left = [], untouched = [] } = plan?.slice ?? {};
  return left.length + untouched.length > 0;
}

/** About the first task, of those that it waits for, that something can be done about. */
function decisions(found: LoadedRun, rows: readonly Row[]): string[] {
  const { run, state } = found;
  const back = "cutover rollback --reason …, for the release before it";
  const effect = decide(state);
  if (effect?.kind !== "hold") return [back];
  const { step, hosts } = effect;
  const works = step.work.filter(({ host }) => hosts.length === 0 || hosts.includes(host));
  const ids = [...new Set(works.flatMap(({ host }) => inQuestion(found, rows, { step, host })))];
  for (const id of ids) {
    const task = foundIn(found, id);
    const verbs = task === undefined ? [] : verbsFor(task);
    const place = `${run}/${id}`;
    if (verbs.length > 0) return [`cutover task show ${place}`, ...verbs.map((verb) => `cutover task ${verb} ${place} --reason …`)]; // biome-ignore format: one line
  }
  return [...ids.slice(0, 1).map((id) => `cutover task show ${run}/${id}`), back];
}

/** What failed there first, then what was taken back or nobody knows, then whatever the host has left of the step. */
function inQuestion(
  { state }: LoadedRun,
  rows: readonly Row[],
  { step, host }: { readonly step: Step; readonly host: string },
): TaskId[] {
  const mine = rows.filter((row) => row.step === step.id && row.host === host);
  const reached = (wanted: readonly TaskState[]) =>
    mine.filter(({ id, state: said }) => wanted.includes(said) || wanted.includes(state.tasks.get(id)?.state ?? "pending")); // biome-ignore format: one line
  const left = leftOfStep(state, step, host).map((key) => ({ id: key.split(" ")[0] ?? "" }));
  return [
    ...mine.filter((row) => row.state === "failed"),
    ...reached(["failed"]),
    ...reached(["undone", "unknown"]),
    ...left,
  ].map(({ id }) => id);
}

function verbsFor(found: FoundTask): string[] {
  const { state, step, work } = found;
  const isUndone = isAccepted(found, () => {
    refuseUndo(found);
    refuseUnderSwitch(found);
  });
  const isRetried = isAccepted(found, () => refuseDone(found, leftOfStep(state, step, work.host)));
  return [...(isUndone ? ["undo"] : []), ...(isRetried ? ["retry"] : [])];
}

/** Whoever refuses is asked: nothing is offered that would be refused. */
export function isAccepted(found: FoundTask, refuse: () => void): boolean {
  try {
    refuseEnded(found, "changed");
    refuseAtWork(found);
    refuse();
    return true;
  } catch (error) {
    if (error instanceof CutoverError) return false;
    throw error;
  }
}
