// The way back is a plan too: the undo of what was done, in reverse order. Pure.
import type { HostWork, Step, TaskGroup } from "../model/plan.ts";
import type { Task, TaskState } from "../model/task.ts";

export interface RollbackInput {
  /** Switch and confirm steps to undo, in the order in which they ran. */
  readonly steps: readonly Step[];
  /** State of a task; what never started needs no undo. */
  readonly stateOf: (task: Task) => TaskState;
  readonly reason: "failed" | "operator";
  readonly run: string;
}

/** Undo steps, last batch first. Unknown counts as done: undoing what was not done is harmless (P6). */
export function makeRollback({ steps, stateOf, reason, run }: RollbackInput): Step[] {
  const switches = steps.filter((step) => step.kind === "switch");
  return switches.reverse().flatMap((step) => {
    const work = step.work
      .map((work) => undoWork(work, { stateOf, reason, run }))
      .filter((work) => work.groups.length > 0);
    return work.length === 0 ? [] : [{ ...step, id: `rollback.${step.batch}`, work, soakSeconds: 0 }];
  });
}

function undoWork(work: HostWork, { stateOf, reason, run }: Omit<RollbackInput, "steps">): HostWork {
  const groups: TaskGroup[] = [];
  for (const group of [...work.groups].reverse()) {
    const undo = group.filter((task) => isUndoable(task) && !["pending", "skipped", "undone"].includes(stateOf(task)));
    if (undo.length > 0)
      groups.push(undo.map((task) => ({ ...task, action: "undo" as const, options: undoOptions(task, reason, run) })));
  }
  return { host: work.host, groups };
}

function isUndoable(task: Task): boolean {
  return task.action === "do" && ["switch", "drain", "hook"].includes(task.kind);
}

function undoOptions(task: Task, reason: string, run: string): Task["options"] {
  return task.kind === "switch" ? { reason, "trial-run": run } : task.options;
}
