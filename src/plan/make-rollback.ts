// The way back is a plan too: the undo of what was done, in reverse order. The undo of putting hosts back into traffic is to take
// them out of it again. Pure.
import type { HostWork, Step, TaskGroup } from "../model/plan.ts";
import type { RestorePointPart } from "../model/restore-point.ts";
import { mayStand, type Task, type TaskState } from "../model/task.ts";
import { targetOf } from "./balancer-steps.ts";

export interface RollbackInput {
  /** Steps to undo, in the order in which they ran; only those that switch or run tasks have something to undo. */
  readonly steps: readonly Step[];
  /** State of a task; what never started needs no undo. */
  readonly stateOf: (task: Task) => TaskState;
  readonly reason: "failed" | "operator";
  readonly run: string;
  /** A balancer may be what is down: hosts go back first, in traffic or not, and only then those that are out come back to it. */
  readonly inTraffic: boolean;
  /**
   * Of a way back of the whole run: the parts of its restore point are put back by the way back of what switched there, unless the undo of
   * a task comes after that, which may write what the task had kept of a later moment.
   */
  readonly point?:
    | { readonly id: string; readonly parts: readonly Pick<RestorePointPart, "host" | "component">[] }
    | undefined;
  /** Backups that an earlier way back of the run was to put back, and may not have: by the ids of their tasks. */
  readonly owed?: ReadonlySet<string> | undefined;
  /** Counts the ways back of the run, from 1. */
  readonly nth: number;
}

/**
 * What the ids of its steps begin with. Hosts look for `rollback.`, and know a step by its id: another way back with the ids of
 * the one before, and fewer tasks, would be refused.
 */
export function idsOfWayBack(nth: number): string {
  return nth === 1 ? "rollback." : `rollback.again${nth}.`;
}

/** Undo steps, last one first. Unknown counts as done: undoing what was not done is harmless (P6). */
export function makeRollback({ inTraffic, steps, ...input }: RollbackInput): Step[] {
  if (!inTraffic) return undoSteps({ ...input, steps });
  const back = undoSteps({ ...input, steps: steps.filter(({ traffic }) => traffic !== "back") });
  return [...back.filter(({ traffic }) => traffic === undefined), ...back.filter(({ traffic }) => traffic === "back")];
}

function undoSteps({ steps, stateOf, reason, run, nth, point: whole, owed }: Omit<RollbackInput, "inTraffic">): Step[] {
  const undoable = steps.filter(({ kind }) => kind === "switch" || kind === "task");
  const later = undoneAfterSwitch(undoable, stateOf);
  const point = whole && { ...whole, parts: whole.parts.filter((part) => !later.has(placeOf(part))) };
  const awayAgain = new Set<string>();
  return undoable.reverse().flatMap((step): Step[] => {
    const back = step.traffic === "back" ? awayWork(step, { stateOf, steps: undoable }) : undefined;
    for (const { groups } of back ?? []) for (const { id } of groups.flat()) awayAgain.add(id);
    const reached = (task: Task): TaskState => (awayAgain.has(task.id) ? "unknown" : stateOf(task));
    const work = (
      back ?? step.work.map((work) => undoWork(work, { stateOf: reached, reason, run, point, owed }))
    ).filter(({ groups }) => groups.length > 0);
    const id = `${idsOfWayBack(nth)}${step.kind === "switch" ? step.batch : step.id}`;
    const traffic = step.traffic === "back" ? "away" : "back";
    const turned = step.traffic === undefined ? {} : { traffic };
    return work.length === 0 ? [] : [{ ...step, ...turned, id, work, soakSeconds: 0 } as Step];
  });
}

/** Places of which a task that ran before the switch is undone, `host/component`. */
function undoneAfterSwitch(steps: readonly Step[], stateOf: RollbackInput["stateOf"]): ReadonlySet<string> {
  const [switched, found] = [new Set<string>(), new Set<string>()];
  for (const task of steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()))) {
    const place = placeOf(task);
    if (task.kind === "switch") switched.add(place);
    if (task.kind === "hook" && isUndoable(task) && !switched.has(place) && wasStarted(stateOf(task))) found.add(place);
  }
  return found;
}

function placeOf({ host, component }: Pick<Task, "host" | "component">): string {
  return `${host}/${component}`;
}

/**
 * Those that are in traffic again, or may be, leave it before they go back; the others never came back to it, or an earlier way
 * back has brought them where they were.
 */
function awayWork({ work, batch }: Step, { stateOf, steps }: Pick<RollbackInput, "stateOf" | "steps">): HostWork[] {
  const moving = new Set(
    steps
      .filter((step) => step.kind === "switch" && step.batch === batch)
      .flatMap((step) => step.work.flatMap(({ groups }) => groups.flat()))
      .filter((task) => isUndoable(task) && wasStarted(stateOf(task)))
      .map(({ host }) => host),
  );
  const isAway = (task: Task) => stateOf(task) === "done" || !moving.has(targetOf(task) ?? "");
  return work.map(({ host, groups }) => ({
    host,
    groups: groups
      .map((group) => group.filter((task) => !isAway(task)).map((task): Task => ({ ...task, action: "do" })))
      .filter((group) => group.length > 0),
  }));
}

function undoWork(
  work: HostWork,
  { stateOf, reason, run, point, owed = new Set() }: Omit<RollbackInput, "steps" | "inTraffic" | "nth">,
): HostWork {
  const mayHaveRun = (task: Task) => wasStarted(stateOf(task));
  const groups: TaskGroup[] = [];
  for (const group of [...work.groups].reverse()) {
    const undo = group.filter((task) => isUndoable(task) && mayHaveRun(task));
    if (undo.length > 0)
      groups.push(
        undo.map((task) => ({ ...task, action: "undo" as const, options: undoOptions(task, { reason, run, point }) })),
      );
  }
  return { host: work.host, groups: [...beforeDrain(groups, restores(work, { stateOf, run, owed }))] };
}

function wasStarted(state: TaskState): boolean {
  // guard P6: what never ran needs no undo, and what may have run needs one.
  return mayStand(state);
}

function isUndoable(task: Task): boolean {
  return task.action === "do" && ["switch", "drain", "hook"].includes(task.kind);
}

function undoOptions(
  task: Task,
  { reason, run, point }: Pick<RollbackInput, "reason" | "run" | "point">,
): Task["options"] {
  if (task.kind !== "switch") return task.options;
  const isPart = point?.parts.some((part) => placeOf(part) === placeOf(task));
  return { reason, "trial-run": run, ...(point !== undefined && isPart ? { point: point.id } : {}) };
}

/**
 * The way back of a trial puts what was saved back by itself; where tasks ran and no trial began, somebody has to. Whether one began is
 * known of a switch that was done, or never begun; of any other the host knows, and puts back once. Where nobody saw a task begin either,
 * what the old version wrote meanwhile is left alone. What an earlier way back was to put back is still owed.
 */
function restores(
  { groups }: HostWork,
  { stateOf, run, owed }: { readonly stateOf: (task: Task) => TaskState; readonly run: string; readonly owed: ReadonlySet<string> }, // biome-ignore format: one line
): Task[] {
  const tasks = groups.flat().filter(({ action }) => action === "do");
  const statesOf = (component: string, kind: Task["kind"]) => tasks.filter((task) => task.component === component && task.kind === kind).map(stateOf); // biome-ignore format: one line
  const isOwed = ({ component }: Task): boolean => {
    const [ran, switched] = [statesOf(component, "hook"), statesOf(component, "switch")];
    return switched.some(wasStarted) ? !switched.includes("done") && ran.some(wasSeen) : ran.some(wasStarted);
  };
  return tasks
    .filter((task) => task.kind === "backup" && (owed.has(task.id) || (wasStarted(stateOf(task)) && isOwed(task))))
    .map((task) => ({ ...task, action: "undo", options: { "trial-run": run } }));
}

/** Its host told of it. */
function wasSeen(state: TaskState): boolean {
  return wasStarted(state) && state !== "unknown";
}

/** Data is back in its place before the component takes traffic again. */
function beforeDrain(groups: readonly TaskGroup[], restored: readonly Task[]): readonly TaskGroup[] {
  if (restored.length === 0) return groups;
  const at = groups.findIndex((group) => group.some(({ kind }) => kind === "drain"));
  const place = at === -1 ? groups.length : at;
  return [...groups.slice(0, place), ...restored.map((task) => [task]), ...groups.slice(place)];
}
