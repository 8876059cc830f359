// What one turn of a host comes to, by what the host told of its tasks. Pure.
import type { Task, TaskEvent } from "../model/task.ts";
import { taskKey } from "./run-state.ts";
import { staleEpoch } from "./with-patience.ts";

/** `not-begun`: the host has nothing of the step, and may not begin it now. */
export type TurnOutcome = "done" | "failed" | "unknown" | "not-begun";

export interface TurnResult {
  readonly outcome: TurnOutcome;
  readonly evidence: string;
  /** `ID ACTION` of what the host passed over for the epoch of another controller, where that is all that keeps the turn from being done. */
  readonly passedOver: readonly string[];
}

/** Done means that every single task was read back as done (P10); a host that skipped one or reports too little has failed. */
export function outcomeOf(all: readonly Task[], ended: ReadonlyMap<string, TaskEvent>): TurnResult {
  const tasks = all.filter(({ kind }) => kind !== "distribute");
  const missing = tasks.filter((task) => !ended.has(taskKey(task)));
  const notDone = [...ended.values()].filter(({ state }) => state !== "done");
  const worst = notDone.find(({ state }) => state === "failed") ?? notDone[0];
  // guard P10: done means that every task was read back as done.
  if (worst) {
    const evidence = `${worst.task} ${worst.action}: ${worst.reason}: ${worst.evidence}`;
    const isKnown = missing.length === 0 && notDone.every(isPassedOver);
    return { outcome: "failed", evidence, passedOver: isKnown ? notDoneOf(all, ended) : [] };
  }
  // guard P10: what was not read back is not done.
  if (missing.length > 0)
    return { outcome: "failed", evidence: `no result for ${missing.map(({ id }) => id).join(", ")}`, passedOver: [] };
  return { outcome: "done", evidence: "", passedOver: [] };
}

/** The host's word for: it was not begun, and will not be. */
function isPassedOver({ state, reason }: TaskEvent): boolean {
  return state === "skipped" && reason === staleEpoch;
}

/** With the bytes of what is still to be built: who hands it over brings them, and hears of a patch that is refused. */
function notDoneOf(all: readonly Task[], ended: ReadonlyMap<string, TaskEvent>): string[] {
  const isLeft = (task: Task) => task.kind !== "distribute" && ended.get(taskKey(task))?.state !== "done";
  const left = new Set(all.filter(isLeft).map(({ component }) => component));
  return all.filter((task) => isLeft(task) || (task.kind === "distribute" && left.has(task.component))).map(taskKey);
}
