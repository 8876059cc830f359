// Which task somebody asked for by hand, and what how it went means for the run beside it.
import type { RunId } from "../../model/run-event.ts";
import type { Task } from "../../model/task.ts";
import { placeOf, type RunState } from "../../run/run-state.ts";
import { isByHandAlone, isDry } from "./by-hand.ts";

export interface AskedInRun {
  readonly run: RunId;
  readonly state: RunState;
  /** `step/host` of the step that was asked for in an open run; a run of one task has no other. */
  readonly asked?: string;
}

/** What is said of it beside how its run stands. */
export interface AskedTaskReport extends Pick<Task, "id" | "version" | "action"> {
  readonly isDry: boolean;
}

export function reportAsked(acted: AskedInRun): AskedTaskReport | undefined {
  const task = askedTask(acted);
  if (task === undefined) return undefined;
  const { id, version, action } = task;
  return { id, version, action, isDry: isDry(task) };
}

/** Undefined where no single task was asked for. What only brings its version comes before it. */
export function askedTask({ state, asked }: AskedInRun): Task | undefined {
  const { plan, added } = state;
  const alone = plan !== undefined && isByHandAlone(plan) ? plan.steps : [];
  for (const step of asked === undefined ? alone : added)
    for (const { host, groups } of step.work)
      if (asked === undefined || placeOf(step.id, host) === asked) return groups.flat().at(-1);
  return undefined;
}
