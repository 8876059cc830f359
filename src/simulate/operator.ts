// What people do about a run that waits for them, with the words that their commands would journal.
import type { Step } from "../model/plan.ts";
import type { EventBody, RunId } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import { decide } from "../run/decide.ts";
import { leftOfStep } from "../run/left-of-step.ts";
import { type RunState, turnOf } from "../run/run-state.ts";

export type OperatorChoice = "retry" | "skip" | "undo" | "roll-back";
/** What is asked of a run that is on its way back: to go on, or to go back in traffic, which is another way back. */
export type BackAgain = "no" | "on" | "in-traffic";

export interface HeldRun {
  readonly run: RunId;
  readonly state: RunState;
  /** All of its journal. */
  readonly events: readonly EventBody[];
  readonly choice: OperatorChoice;
}

const by = "operator";
const reason = "simulated";

/** `cutover rollback`, once more, with a run that is taken up in the middle of its way back, whoever had it turn round. */
export function operatorAsksAgain(state: RunState, again: BackAgain): EventBody[] {
  if (state.rollback === undefined || state.outcome !== undefined || again === "no") return [];
  const inTraffic = again === "in-traffic" ? { inTraffic: true as const } : {};
  return [{ kind: "rollback-started", scope: "release", reason, by, ...inTraffic }];
}

/** Tries again what failed, skips its tasks, takes one task back, or the whole run. Nothing while the run waits for nobody. */
export function operatorDecides(held: HeldRun): EventBody[] {
  const effect = decide(held.state);
  if (effect?.kind !== "hold") return [];
  const { step, hosts } = effect;
  if (held.choice === "roll-back") return [{ kind: "rollback-started", scope: "release", reason, by }];
  if (step.kind === "gate") return [{ kind: "gate-opened", step: step.id, by, reason }];
  const undo = held.choice === "undo" ? undoOne(held, { step, hosts }) : [];
  return undo.length > 0 ? undo : hosts.flatMap((host) => tryAgain(held, step, host));
}

function tryAgain({ state, events, choice }: HeldRun, step: Step, host: string): EventBody[] {
  const work = step.work.find((each) => each.host === host);
  if (work === undefined) return [];
  const hooks = new Set(work.groups.flat().filter(({ kind }) => kind === "hook").map(({ id }) => `${id} do`)); // biome-ignore format: one line
  const left = leftOfStep({ events, step: step.id, work });
  const skipped = choice === "skip" ? left.filter((key) => hooks.has(key)) : [];
  const turn = (turnOf(state, step.id, host)?.number ?? 0) + 1;
  return [
    ...skipped.map((key) => {
      const [task = ""] = key.split(" ");
      return { kind: "task-skipped", task, by, reason, signature: "" } as const;
    }),
    {
      kind: "host-reopened",
      step: step.id,
      host,
      turn,
      tasks: left.filter((key) => !skipped.includes(key)),
      rest: [],
      by,
      reason,
    },
  ];
}

/** The last task of a held host that was done and can be taken back by itself; everything else stands. */
function undoOne(
  { run, state }: HeldRun,
  { step, hosts }: { readonly step: Step; readonly hosts: readonly string[] },
): EventBody[] {
  const tasks = step.work.filter(({ host }) => hosts.includes(host)).flatMap(({ groups }) => groups.flat());
  const isDone = (id: string) => state.tasks.get(id)?.state === "done";
  // Hosts put no old data back under a version that has switched, and the command says so.
  const isUndoable = ({ host, component, kind, action }: Task) =>
    action === "do" && (kind === "hook" || (kind === "backup" && !isDone(`${host}/${component}/switch`)));
  const task = tasks.findLast((each) => isUndoable(each) && isDone(each.id));
  if (task === undefined) return [];
  const id = `hand.${state.added.length + 1}`;
  const work = [{ host: task.host, groups: [[undoOf(task, run)]] }];
  return [
    { kind: "step-added", step: { id, kind: "task", phase: step.phase, batch: 0, soakSeconds: 0, work }, by, reason },
  ];
}

function undoOf(task: Task, run: RunId): Task {
  return { ...task, action: "undo", options: task.kind === "backup" ? { "trial-run": run } : task.options };
}
