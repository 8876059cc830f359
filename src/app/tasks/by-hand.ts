// What was asked for by hand, and what only said what it would do: neither says how the tasks of a plan are. Pure.
import type { Plan } from "../../model/plan.ts";
import type { Task } from "../../model/task.ts";

/** A run of one task, which holds nothing of a release: `cutover task run` where no run holds the component. */
export function isByHandAlone({ changes, steps }: Pick<Plan, "changes" | "steps">): boolean {
  return changes.length === 0 && steps.length > 0 && steps.every(({ phase }) => phase === "by-hand");
}

export function isDry({ options }: Pick<Task, "options">): boolean {
  return options["dry-run"] !== undefined;
}
