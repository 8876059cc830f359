// Tasks that people run and take back by themselves in an open run, whatever it is at, as `cutover task run` and `task undo` accept it.
import type { Step } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import type { EventBody, RunId } from "../model/run-event.ts";
import { mayStand, type Task } from "../model/task.ts";
import { stepAtWork } from "../run/at-work.ts";
import { lastingKinds, undoByHand } from "../run/by-hand.ts";
import type { RunState } from "../run/run-state.ts";
import { nextByHand } from "../run/try-again.ts";
import type { Random } from "./random.ts";

export interface ByHandInput {
  readonly run: RunId;
  readonly state: RunState;
  readonly published: ReadonlyMap<string, PublishedVersion>;
  readonly pick: Random["pick"];
}

interface Planned {
  readonly step: Step;
  readonly task: Task;
}

/** One task of one host that nobody works on, run or taken back; nothing when there is none. */
export function operatorActs(input: ByHandInput): EventBody[] {
  const { state, pick } = input;
  if (state.outcome !== undefined || state.rollback !== undefined) return [];
  const planned = (state.plan?.steps ?? []).flatMap((step) =>
    step.work.flatMap(({ groups }) => groups.flat().map((task): Planned => ({ step, task }))),
  );
  const mine = planned.filter(
    ({ step, task }) => task.action === "do" && stepAtWork(state, task.host, step) === undefined,
  );
  const acts = mine.flatMap((one) => [...undone(input, one), ...runAlone(input, one)]);
  // Mostly with what the run has done already: what is still to come is done by it anyway.
  const begun = acts.filter(({ task }) => state.told.has(task.id));
  const [first, ...others] = begun.length > 0 && pick([true, true, true, false]) ? begun : acts;
  if (first === undefined) return [];
  const { step, task } = pick([first, ...others]);
  const own: Step = { id: nextByHand(input), kind: "task", phase: step.phase, batch: 0, soakSeconds: 0, work: [{ host: task.host, groups: [[task]] }] }; // biome-ignore format: one line
  return [{ kind: "step-added", step: own, by: "operator", reason: "simulated" }];
}

/** `cutover task undo`. */
function undone({ run, state, published }: ByHandInput, { step, task }: Planned): Planned[] {
  const isUndoable = task.kind === "hook" ? hasUndo(published, task) : lastingKinds.includes(task.kind);
  if (!isUndoable || !mayStand(state.tasks.get(task.id)?.state)) return [];
  // Hosts put no old data back under a version that has switched, and the command says so.
  const switched = state.tasks.get(`${task.host}/${task.component}/switch`)?.state;
  return task.kind === "backup" && switched === "done" ? [] : [{ step, task: undoByHand(task, run) }];
}

/** `cutover task run`, and with `--undo`; of a version that is on the host. */
function runAlone({ state, published }: ByHandInput, { step, task }: Planned): Planned[] {
  const isBuilt = state.tasks.get(`${task.host}/${task.component}/build`)?.state === "done";
  if (!isBuilt || (task.kind !== "drain" && task.kind !== "hook")) return [];
  const last = state.told.get(task.id)?.findLast((word) => word.state === "done" || word.action === "do");
  const isUndoable = last?.action === "do" && (task.kind === "drain" || hasUndo(published, task));
  return [{ step, task }, ...(isUndoable ? [{ step, task: { ...task, action: "undo" } as const }] : [])];
}

export function hasUndo(published: ByHandInput["published"], { id, kind, component, version }: Task): boolean {
  const name = id.split("/")[2];
  const tasks = published.get(`${component}@${version}`)?.tasks ?? [];
  return kind === "hook" && tasks.some((task) => task.name === name && task.hasUndo);
}
