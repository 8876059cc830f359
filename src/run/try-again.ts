// What trying again comes to: a host goes through what is left of a step, from the task that failed or was taken back on. What is
// done stays done.
import type { ObservedComponent } from "../model/observation.ts";
import type { Step } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import { mayStand, type Task } from "../model/task.ts";
import { targetOf } from "../plan/balancer-steps.ts";
import { leftOfStep, undoByHand } from "./by-hand.ts";
import { firstOf } from "./run-one-task.ts";
import { placeOf, type RunState, taskKey } from "./run-state.ts";

export interface AgainInput {
  readonly run: string;
  readonly state: RunState;
  /** All of its journal. */
  readonly events: readonly EventBody[];
  readonly step: Step;
  readonly host: string;
  /** What the host says of itself. Asked at most once, and only where a switch is in question. */
  readonly observe: () => Promise<readonly ObservedComponent[]>;
  /** Whether the contract gives this task of the bundle an undo. Asked only where it has begun and its component has a backup. */
  readonly hasUndo: (task: Task) => Promise<boolean>;
  readonly by: string;
  readonly reason: string;
}

type HostReopened = Extract<EventBody, { kind: "host-reopened" }>;

export interface Again {
  /** What stands and is undone before it is done once more; empty, or one step of an operator's own. */
  readonly undo: readonly EventBody[];
  readonly turns: readonly HostReopened[];
}

export async function tryAgain(input: AgainInput): Promise<Again> {
  const { again, undo } = await withSwitch(input);
  const turns = turnsOf(input, again);
  return { undo: takingBack(input, undo), turns: [...aroundTraffic(input, turns), ...turns] };
}

/** Somebody goes through the run with `cutover step`: each word said in it does what it says, and leaves the rest to the next step. */
export function isStepped({ state }: { readonly state: Pick<RunState, "pace"> }): boolean {
  return state.pace === "one-task";
}

/** What a host is given of what is left of its step; one task of it where somebody steps through the run. */
export function turnOfLeft(
  found: { readonly state: Pick<RunState, "pace"> },
  { step, left }: { readonly step: Pick<Step, "kind">; readonly left: readonly string[] },
): { readonly tasks: readonly string[]; readonly rest: readonly string[] } {
  // A restore point is taken whole: parts of different moments are none.
  return isStepped(found) && step.kind !== "restore-point" ? firstOf(left) : { tasks: left, rest: [] };
}

/** The next free name of a step that an operator adds. */
export function nextByHand({ state }: { readonly state: Pick<RunState, "added"> }): string {
  return `by-hand.${state.added.length + 1}`;
}

/**
 * A switch that was taken back, by hand or by the host itself at its deadline, is done again with all that belongs to it: what a
 * component does before its switch was saved before, and is back as it was. Tasks that stand all the same are undone first.
 */
async function withSwitch(input: AgainInput): Promise<{ readonly again: string[]; readonly undo: readonly Task[] }> {
  const { host, run, step, state } = input;
  const left = leftOfStep(state, step, host);
  const nothing = { again: left, undo: [] };
  if (step.kind !== "switch" && step.kind !== "confirm") return nothing;
  const tasks =
    stepOfBatch(input, "switch")
      ?.work.find((work) => work.host === host)
      ?.groups.flat() ?? [];
  const switches = tasks.filter(({ kind }) => kind === "switch");
  const begun = switches.filter((task) => hasBegun(input, task));
  // The host's own word, whatever came of an undo by hand: what stands there is only read back, and what was committed is not undone.
  const seen = new Map(begun.length === 0 ? [] : (await input.observe()).map((each) => [each.component, each]));
  const isLost = (task: Task): boolean => {
    const there = seen.get(task.component);
    if (wasDone(input, task)) return there === undefined || !isOurs(there, { run, tasks });
    return there !== undefined && wentBack(there, run);
  };
  const lost = new Set(begun.filter(isLost).map(({ component }) => component));
  const own = tasks.filter(({ component, id }) => lost.has(component) && !state.skipped.has(id));
  const untried = switches.filter((task) => left.includes(taskKey(task)) && !lost.has(task.component) && !isUnderTrial(seen.get(task.component), run)); // biome-ignore format: one line
  const anew = (await Promise.all(untried.map((task) => savedAnew(input, { tasks, task })))).flat();
  const wanted = new Set([...left, ...[...own, ...anew].map(taskKey)]);
  const reached = ({ id }: Task) => state.tasks.get(id)?.state;
  // A switch that went back by itself is undone for the journal's sake; one whose undo by hand did not end well may still stand.
  const stands = (task: Task) =>
    task.kind === "hook" ? reached(task) === "done" : task.kind === "switch" && mayStand(reached(task));
  return {
    again: [...new Set([...tasks.map(taskKey), ...left])].filter((key) => wanted.has(key)),
    undo: [
      ...own.filter((task) => task.action === "do" && stands(task)),
      ...anew.filter(({ kind }) => kind === "hook"),
    ].reverse(),
  };
}

/**
 * Its switch was never on trial: what the old version wrote since its backup comes into a new one (P4). Tasks of the bundle that have begun
 * since are undone before that, and done again. Where one has no undo only the copy is what it was: it is kept, and so are they.
 */
async function savedAnew(
  { state, hasUndo }: AgainInput,
  { tasks, task: { component } }: { readonly tasks: readonly Task[]; readonly task: Task },
): Promise<Task[]> {
  const backup = tasks.find((task) => task.kind === "backup" && task.component === component);
  if (backup === undefined || state.skipped.has(backup.id)) return [];
  const hooks = tasks.slice(tasks.indexOf(backup)).filter((task) => task.kind === "hook" && task.component === component); // biome-ignore format: one line
  const begun = hooks.filter(({ id }) => mayStand(state.tasks.get(id)?.state));
  const areUndone = await Promise.all(begun.map((task) => !state.skipped.has(task.id) && hasUndo(task)));
  return areUndone.includes(false) ? [backup] : [backup, ...begun];
}

/** Its host may have armed a trial for it. */
function hasBegun(input: AgainInput, task: Task): boolean {
  const reached = input.state.tasks.get(task.id)?.state;
  return mayStand(reached) || reached === "undone" || wasDone(input, task);
}

/** It had switched: one that failed may have nothing to take back. */
function wasDone({ events }: AgainInput, { id }: Task): boolean {
  return events.some((event) => event.kind === "task" && event.event.task === id && event.event.action === "do" && event.event.state === "done"); // biome-ignore format: one line
}

function takingBack(input: AgainInput, tasks: readonly Task[]): EventBody[] {
  const { host, by, reason } = input;
  if (tasks.length === 0) return [];
  const groups = tasks.map((task) => [undoByHand(task, input.run)]);
  const work = [{ host, groups }];
  const step: Step = { id: nextByHand(input), kind: "task", phase: input.step.phase, batch: 0, soakSeconds: 0, work };
  return [{ kind: "step-added", step, by, reason }];
}

/** On trial, confirmed or committed there, with the version of these tasks. */
function isOurs(
  seen: ObservedComponent,
  { run, tasks }: { readonly run: string; readonly tasks: readonly Task[] },
): boolean {
  const isSwitched = tasks.some(({ kind, component, version }) => kind === "switch" && component === seen.component && version === seen.current); // biome-ignore format: one line
  const isTried = seen.trial?.run === run && ["trial", "confirmed"].includes(seen.state);
  return isSwitched && (isTried || (seen.trial === undefined && seen.committed === seen.current));
}

/** What was saved before that trial is what it goes back to. */
function isUnderTrial(seen: ObservedComponent | undefined, run: string): boolean {
  return seen?.trial?.run === run && seen.state !== "reverted";
}

/** Its trial of this run is over, or ends just now, also of a switch that failed: data, service and traffic are as before. */
function wentBack({ trial, state }: ObservedComponent, run: string): boolean {
  return trial?.run === run && (state === "reverting" || state === "reverted");
}

/** The switch or the confirmation of the batch that a step belongs to. */
function stepOfBatch({ state, step }: AgainInput, kind: Step["kind"]): Step | undefined {
  return step.kind === kind ? step : state.plan?.steps.find((each) => each.kind === kind && each.batch === step.batch);
}

/** Tasks that are those of the switch, though the confirmation failed, open the switch again; what was confirmed has to be confirmed anew. */
function turnsOf(input: AgainInput, again: readonly string[]): HostReopened[] {
  const { state, step, host, by, reason } = input;
  const steps = [...new Set([stepOfBatch(input, "switch"), step, stepOfBatch(input, "confirm")])];
  const redo = new Set(again);
  return steps.flatMap((each): HostReopened[] => {
    const keys =
      each?.work
        .find((mine) => mine.host === host)
        ?.groups.flat()
        .map(taskKey) ?? [];
    if (each === undefined || keys.length === 0) return [];
    const isLater = each !== step && each.kind === "confirm" && state.hosts.has(placeOf(each.id, host));
    const tasks = isLater ? keys : keys.filter((key) => redo.has(key));
    if (tasks.length === 0 && each !== step) return [];
    if (each.kind === "confirm" && each !== step && !isLater) return [];
    const turn = (state.turns.get(placeOf(each.id, host))?.number ?? 0) + 1;
    return [
      {
        kind: "host-reopened",
        step: each.id,
        host,
        turn,
        ...turnOfLeft(input, { step: each, left: tasks }),
        by,
        reason,
      },
    ];
  });
}

/** A host that is in traffic again leaves it before its switch is done once more, and comes back with its batch. */
function aroundTraffic(input: AgainInput, turns: readonly HostReopened[]): HostReopened[] {
  const { state, host, by, reason } = input;
  const change = stepOfBatch(input, "switch");
  const isSwitched = turns.some(({ step, tasks, rest }) => step === change?.id && [...tasks, ...rest].some((key) => isSwitchOf(change, key))); // biome-ignore format: one line
  if (change === undefined || !isSwitched) return [];
  const around = (state.plan?.steps ?? []).filter(({ traffic, batch }) => traffic !== undefined && batch === change.batch); // biome-ignore format: one line
  return around.flatMap(({ id: step, work }) =>
    work.flatMap((balancer): HostReopened[] => {
      const mine = balancer.groups.flat().filter((task) => targetOf(task) === host && state.tasks.get(task.id)?.state === "undone"); // biome-ignore format: one line
      const open = state.turns.get(placeOf(step, balancer.host));
      // Of another host that is tried again, and to which nobody has come yet.
      const before = open?.isBegun === false ? [...open.tasks, ...open.rest] : [];
      const tasks = [...new Set([...before, ...mine.map(taskKey)])];
      const turn = (open?.number ?? 0) + 1;
      return mine.length === 0 ? [] : [{ kind: "host-reopened", step, host: balancer.host, turn, tasks, rest: [], by, reason }]; // biome-ignore format: one line
    }),
  );
}

function isSwitchOf({ work }: Step, key: string): boolean {
  return work.some(({ groups }) => groups.flat().some((task) => task.kind === "switch" && taskKey(task) === key));
}
