// What a task that a person ran or took back by itself means for the plan. One that stands otherwise than its step left it is missing
// there: the step waits, also one that had ended, until it stands so again, is done by the step itself, or is skipped. Pure.
import type { Step } from "../model/plan.ts";
import type { Task, TaskEvent, TaskId, TaskKind } from "../model/task.ts";
import { advanced, isToldDone, type RunState, type Told, taskKey, turnOf } from "./run-state.ts";

/** Why a task is skipped that somebody signed away. */
export const skippedByHand = "operator";

/** What these leave stays, until it is undone. The others look, or bring bytes that nothing runs yet. */
export const lastingKinds: readonly TaskKind[] = ["backup", "drain", "switch", "hook"];

export function isAdded({ added }: Pick<RunState, "added">, step: string): boolean {
  return added.some(({ id }) => id === step);
}

/** Of a step that an operator asked for. */
export function addedTask({ added }: Pick<RunState, "added">, step: string, id: TaskId): Task | undefined {
  const own = added.find((each) => each.id === step);
  return own?.work.flatMap(({ groups }) => groups.flat()).find((task) => task.id === id);
}

/** What an operator runs dry, or of another version than the plan's, says nothing about the task of the plan. */
export function isAside({ plan }: RunState, { id, version, options }: Task): boolean {
  if (options["dry-run"] !== undefined) return true;
  const [host = ""] = id.split("/");
  const planned = (plan?.steps ?? []).flatMap((step) => tasksOn(step, host)).filter((task) => task.id === id);
  return planned.length > 0 && planned.every((task) => task.version !== version);
}

/** The word of a step of the plan, or of an operator's own, on what this task came to. */
export function withTold(state: RunState, step: string, { task, action, state: reached }: TaskEvent): RunState {
  if (reached === "running") return state;
  return withWord(state, task, { step, action, state: reached });
}

/** An operator's own step that did not end well: how its tasks are that it told nothing of, nobody knows (P7). */
export function withUntold(state: RunState, step: string, host: string): RunState {
  const own = state.added.find(({ id }) => id === step);
  const untold = (own === undefined ? [] : tasksOn(own, host))
    .filter((task) => isCounted(state, task))
    .filter(({ id }) => !(state.told.get(id) ?? []).some((word) => word.step === step));
  const unknown = { state: "unknown", reason: "run by hand", evidence: "", durationMs: 0 } as const;
  const tasks = state.tasks.merge(untold.map(({ id }) => [id, unknown]));
  return untold.reduce((now, { id, action }) => withWord(now, id, { step, action, state: "unknown" }), {
    ...state,
    tasks,
  });
}

/** A person ran something of this step, well or not. */
export function isTouchedByHand(state: RunState, { work }: Pick<Step, "work">): boolean {
  if (state.added.length === 0) return false;
  const isByHand = ({ id }: Task) => (state.told.get(id) ?? []).some((word) => word.state !== "skipped" && isAdded(state, word.step)); // biome-ignore format: one line
  return work.some(({ groups }) => groups.flat().some(isByHand));
}

/** Some of it stays on a host, whichever version's it is. */
export function leavesSomething({ work }: Pick<Step, "work">): boolean {
  return work.some(({ groups }) => groups.flat().some(({ kind, options }) => lastingKinds.includes(kind) && options["dry-run"] === undefined)); // biome-ignore format: one line
}

/** Taken back by a person: what the host is told names the run whose trial, or whose backup, it is. */
export function undoByHand(task: Task, run: string): Task {
  const trial = { "trial-run": run };
  const own = task.kind === "switch" ? { reason: "operator", ...trial } : trial;
  return { ...task, action: "undo", options: task.kind === "switch" || task.kind === "backup" ? own : task.options };
}

/** It says nothing of how anything is left. */
export function isLook({ kind }: Pick<Task, "kind">): boolean {
  return kind === "check" || kind === "health";
}

/** Of a step that is opened again on a host: what is to come there says nothing yet, and what was done by hand before that nothing more. */
export function withoutTold(state: RunState, step: string, keys: readonly string[]): RunState {
  return keys.reduce((now, key) => {
    const [id = "", action] = key.split(" ");
    const words = now.told.get(id);
    return words === undefined ? now : withWords(now, id, words.filter((word) => !isAdded(state, word.step) && (word.step !== step || word.action !== action))); // biome-ignore format: one line
  }, state);
}

/**
 * What was skipped, and is handed over after all, may have run from now on, until its host tells of it (P7). An operator's own step
 * that says nothing of the plan's task leaves that as it was.
 */
export function withoutPassedOver(state: RunState, step: string, keys: readonly string[]): RunState {
  return keys.reduce((now, key) => {
    const [id = "", action] = key.split(" ");
    const own = addedTask(state, step, id);
    if (own !== undefined && !isCounted(state, own)) return now;
    const [words, isStale] = [now.told.get(id) ?? [], (word: Told) => word.step === step && word.action === action && word.state === "skipped"]; // biome-ignore format: one line
    const next = words.some(isStale) ? withWords(now, id, words.filter((word) => !isStale(word))) : now; // biome-ignore format: one line
    const mayRun = action === "do" && next.tasks.get(id)?.state === "skipped" && !next.skipped.has(id);
    return mayRun ? { ...next, tasks: next.tasks.delete(id) } : next;
  }, state);
}

/** Nobody waits any more for what is skipped, nor for a host that the run goes on without. */
export function withoutMissing(state: RunState, isMeant: (id: TaskId) => boolean): RunState {
  const missing = state.missing.filterNot((_, id) => isMeant(id));
  return missing.size === state.missing.size ? state : advanced({ ...state, missing, position: 0 });
}

/** `ID ACTION` of what is left of a step on one host, in its order: what it has not done in its newest round, and what is missing. */
export function leftOfStep(state: RunState, step: Pick<Step, "id" | "work">, host: string): string[] {
  const tasks = tasksOn(step, host).filter(({ id }) => !state.skipped.has(id));
  const isLeft = (task: Task) => !isToldDone(state, step.id, taskKey(task)) || isMissing(state, step.id, task);
  const again = new Set(tasks.flatMap((task) => (task.action === "do" && isLeft(task) ? [task.id] : [])));
  // What is done again is undone again, such as a drain.
  return tasks.filter((task) => again.has(task.id) || (task.action === "undo" && isLeft(task))).map(taskKey);
}

/** What stands otherwise on these hosts of a step, for a person. */
export function changedByHand({ missing }: RunState, step: string, hosts: readonly string[]): string {
  const ids = [...missing].flatMap(([id, at]) => (at === step && hosts.includes(id.split("/")[0] ?? "") ? [id] : []));
  const more = ids.length > mostNamed ? `, and ${ids.length - mostNamed} more` : "";
  return `changed by hand: ${ids.sort().slice(0, mostNamed).join(", ")}${more}`;
}

const mostNamed = 3;

/** That it stands otherwise is mended by what the step did with it last. */
function isMissing(state: RunState, step: string, { id, action }: Task): boolean {
  return state.missing.get(id) === step && (ownWord(state, id)?.action ?? "do") === action;
}

/** What a person's own task says of the plan's: a run of another version, or a dry one, and one that only looks, say nothing. */
export function isCounted(state: RunState, task: Task): boolean {
  return lastingKinds.includes(task.kind) && !isAside(state, task);
}

function withWord(state: RunState, id: TaskId, word: Told): RunState {
  const before = (state.told.get(id) ?? []).filter(({ step, action }) => step !== word.step || action !== word.action);
  return withWords(state, id, [...before, word]);
}

function withWords(state: RunState, id: TaskId, words: readonly Told[]): RunState {
  const next = { ...state, told: state.told.set(id, words) };
  const step = missingIn(next, id);
  if (step === state.missing.get(id)) return next;
  const missing = step === undefined ? state.missing.delete(id) : state.missing.set(id, step);
  return advanced({ ...next, missing, position: 0 });
}

/** The step that waits for this task. */
function missingIn(state: RunState, id: TaskId): string | undefined {
  if (state.added.length === 0) return undefined;
  const words = (state.told.get(id) ?? []).filter((word) => word.state !== "skipped");
  const own = words.findLastIndex(({ step }) => !isAdded(state, step));
  const [before, byHand] = [words[own], words.slice(own + 1)];
  const last = byHand.at(-1);
  const [host = ""] = id.split("/");
  const isNobodys = state.skipped.has(id) || state.leftOut.has(host) || state.rollback !== undefined;
  if (last === undefined || isNobodys) return undefined;
  // Opened again to be done once more, after an undo that did not end well: it is not done over that (P7).
  if (before === undefined) return last.action === "undo" && last.state !== "done" ? openedFor(state, id) : undefined;
  // What its step failed over is tried again by the step; run by hand it says nothing, but taken back it waits.
  if (before.state !== "done") return byHand.some(({ action }) => action !== before.action) ? before.step : undefined;
  // guard P10: done means that it stands as the plan left it, whoever had it in hand last.
  const stands = last.state === "done" && last.action === before.action;
  return stands ? undefined : before.step;
}

/** The step with a turn of its host in which this is to be done, and of which nothing is told yet. */
function openedFor(state: RunState, id: TaskId): string | undefined {
  const [host = ""] = id.split("/");
  return state.plan?.steps.find((step) => {
    const turn = turnOf(state, step.id, host);
    return turn?.isBegun === false && [...turn.tasks, ...turn.rest].includes(`${id} do`);
  })?.id;
}

function ownWord(state: RunState, id: TaskId): Told | undefined {
  return state.told.get(id)?.findLast((word) => word.state !== "skipped" && !isAdded(state, word.step));
}

function tasksOn({ work }: Pick<Step, "work">, host: string): Task[] {
  return work.flatMap((mine) => (mine.host === host ? mine.groups.flat() : []));
}
