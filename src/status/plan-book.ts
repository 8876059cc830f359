// The plan as a book (R29): every task in its order, what runs side by side, on which hosts; with a run, how each stands. One
// line for all hosts that share it, so that the book of ten thousand hosts can be read. Pure.
import type { Plan, Step } from "../model/plan.ts";
import type { Task, TaskState } from "../model/task.ts";

export interface BookLine {
  readonly step: string;
  readonly phase: string;
  /** Of a gate there is one line without a task. */
  readonly component?: string;
  /** `switch`, `undo drain`, the name of a contract's task. */
  readonly task?: string;
  /** Place in the host's series; tasks of one place run side by side. */
  readonly place: number;
  readonly state: TaskState;
  readonly hosts: readonly string[];
  /** Why a gate is there. */
  readonly reason?: string;
}

export interface BookInput {
  readonly plan: Pick<Plan, "steps">;
  /** All pending without a run. */
  readonly stateOf?: (task: Task) => TaskState | undefined;
  readonly isEnded?: (step: string) => boolean;
}

/** In the order of the plan; within a step by place, then as the first host has them. */
export function planBook({ plan, stateOf = () => undefined, isEnded = () => false }: BookInput): BookLine[] {
  return plan.steps.flatMap((step) =>
    step.kind === "gate" ? [gateLine(step, isEnded(step.id))] : stepLines(step, stateOf),
  );
}

function gateLine({ id, phase, gate }: Step, isOpen: boolean): BookLine {
  return { step: id, phase, place: 0, state: isOpen ? "done" : "pending", hosts: [], reason: gate?.reason ?? "" };
}

function stepLines({ id, phase, work }: Step, stateOf: (task: Task) => TaskState | undefined): BookLine[] {
  const lines = new Map<string, BookLine & { hosts: string[] }>();
  for (const { host, groups } of work) {
    const undone = new Set(
      groups.flatMap((group) => group.flatMap(({ id, action }) => (action === "undo" ? [id] : []))),
    );
    for (const [place, group] of groups.entries())
      for (const task of group) {
        const { component } = task;
        const state = shownState(task, stateOf(task), undone.has(task.id));
        const key = [place, component, wordOf(task), state].join("\0");
        const line = lines.get(key);
        if (line === undefined)
          lines.set(key, { step: id, phase, component, task: wordOf(task), place, state, hosts: [host] });
        else line.hosts.push(host);
      }
  }
  return [...lines.values()].sort((a, b) => a.place - b.place);
}

function wordOf({ id, host, component, action }: Task): string {
  return `${action === "undo" ? "undo " : ""}${id.slice(host.length + component.length + 2)}`;
}

/** A task and its planned undo have one state between them: what is undone as planned was done first. */
function shownState({ action }: Task, state: TaskState | undefined, isUndoPlanned: boolean): TaskState {
  if (state === undefined) return "pending";
  if (state === "undone" && isUndoPlanned) return "done";
  return action === "undo" && state === "done" ? "pending" : state;
}
