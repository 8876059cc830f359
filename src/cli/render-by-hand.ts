// What was asked for by hand, as lines: of an event, and of what the task said. Pure.
import type { Step } from "../model/plan.ts";
import type { JournalEvent } from "../model/run-event.ts";
import type { TaskEvent } from "../model/task.ts";
import { type RunProgress, stepOf } from "./progress.ts";
import { evidenceLines } from "./render-error.ts";
import { asked } from "./render-tasks.ts";
import { type Line, styled } from "./text.ts";
import { formatDuration } from "./units.ts";

const shortEvidence = 12;

/** Steps that an operator asked for: whoever did wants to see what the task said. */
export function isByHand(step: string): boolean {
  return step.startsWith("by-hand.");
}

/** With the version whose script it is. */
export function byHandText({ work }: Step): string {
  const tasks = work.flatMap(({ groups }) => groups.flat());
  return asked(tasks)
    .map(({ action, id, version, options }) => {
      const task = `${id} ${version}`;
      if (options["dry-run"] !== undefined) return `makes a dry run of ${action === "undo" ? "undo " : ""}${task}`;
      return `${action === "undo" ? "takes back" : "runs"} ${task}`;
    })
    .join(", ");
}

/** A host that has not come to the step yet has had no turn; one that has nothing left of it gets none. */
export function turnText(
  progress: RunProgress,
  { host, step, tasks, rest }: Extract<JournalEvent, { kind: "host-reopened" }>,
): string {
  if (tasks.length + rest.length === 0) return `leaves ${host} nothing more to do at ${step}`;
  if (stepOf(progress, step).begun.has(host)) return `gives ${host} another turn at ${step}`;
  return `has ${host} do what is left of ${step} when the run comes to it`;
}

/** `dry`: tasks that only said what they would do. */
export function spokenLines({ task, action, durationMs, evidence }: TaskEvent, dry?: ReadonlySet<string>): Line[] {
  const what = `${dry?.has(task) === true ? "dry run of " : ""}${action === "undo" ? "undo " : ""}${task}`;
  return [
    [styled("done", "good"), ` ${what} in ${formatDuration(durationMs)}`],
    ...evidenceLines(evidence, 2, shortEvidence),
  ];
}
