// The plan book of a run: every task, how far it is, and what it waits for. Read from the journal alone.
import type { RunId, RunOutcome } from "../../model/run-event.ts";
import type { TaskAction, TaskId, TaskKind, TaskState } from "../../model/task.ts";
import type { JournalPort } from "../../ports.ts";
import { decide } from "../../run/decide.ts";
import { placeOf, type RunState, stepsOf, taskKey } from "../../run/run-state.ts";
import { type PersonTrouble, personTrouble } from "../person-trouble.ts";
import { besideInJournal } from "../standing-runs.ts";
import { isDry } from "./by-hand.ts";
import { reasonOf, type Standing, standingOf } from "./describe-run.ts";
import { type LoadedRun, loadRun } from "./find-task.ts";
import { leavesSome, listNext } from "./list-next.ts";

export interface TaskRow {
  readonly id: TaskId;
  readonly step: string;
  readonly phase: string;
  readonly host: string;
  readonly component: string;
  readonly version: string;
  readonly kind: TaskKind;
  readonly action: TaskAction;
  readonly state: TaskState;
  readonly reason: string;
  readonly evidence: string;
  readonly durationMs: number;
  /** It only said what it would do: nothing about how the task is. */
  readonly isDry: boolean;
  /** Neither done nor skipped; of what was asked for by hand, not ended. */
  readonly isOpen: boolean;
  /**
   * What comes right before it and is not done: tasks of its host, of one group, that run side by side (after commas), or the step before
   * its own. Undefined when nothing keeps it.
   */
  readonly waitsFor: string | undefined;
}

export interface TaskBook {
  readonly run: RunId;
  readonly release: string;
  readonly planHash: string;
  readonly outcome: RunOutcome | undefined;
  /** Why it ended, or what it waits for. */
  readonly reason: string;
  readonly isWayBack: boolean;
  readonly standing: Standing;
  /** What only a person can give, while it waits for that. */
  readonly waits?: PersonTrouble;
  /** It went through a part of a plan, and that left some. */
  readonly leavesSome: boolean;
  readonly tasks: readonly TaskRow[];
}

/** With what leads on. */
export interface ReadTaskBook extends TaskBook {
  /** One command a line. */
  readonly next: readonly string[];
  /** The newest run of one task by hand, where it came later and nobody named a run. */
  readonly laterByHand?: RunId;
}

/** The newest open run, else the newest one, when none is named; those of a release before those of one task. */
export async function readTaskBook(journal: JournalPort, run: RunId | undefined): Promise<ReadTaskBook> {
  const read = await loadRun(journal, run);
  const { laterByHand } = read;
  const loaded = { ...read, state: (await besideInJournal(journal)).hear(read.run, read.state) };
  const { tasks, ...book } = taskBook(loaded);
  return { ...book, next: listNext(loaded, tasks), ...(laterByHand === undefined ? {} : { laterByHand }), tasks };
}

export function taskBook({ run, events, state }: LoadedRun): TaskBook {
  const newest = newestWords(events);
  const waiting = decide(state);
  const waits = personTrouble({ run, state });
  const reason =
    state.outcome === undefined && waiting !== undefined && "reason" in waiting ? waiting.reason : reasonOf(state);
  return {
    run,
    release: state.plan?.release ?? "",
    planHash: state.plan?.hash ?? "",
    outcome: state.outcome,
    reason,
    isWayBack: state.rollback !== undefined,
    standing: standingOf(state),
    ...(waits === undefined ? {} : { waits }),
    leavesSome: leavesSome(state),
    tasks: [...wentRows(state, newest), ...rowsOf(state, newest)],
  };
}

type Word = Pick<TaskRow, "state" | "reason" | "evidence" | "durationMs">;
const pending: Word = { state: "pending", reason: "", evidence: "", durationMs: 0 };

/** By step, then `ID ACTION`: a step may hold the do and the undo of one task. */
function newestWords(events: LoadedRun["events"]): Map<string, Word> {
  const words = new Map<string, Word>();
  for (const event of events) {
    if (event.kind === "host-reopened") for (const key of event.tasks) words.delete(`${event.step} ${key}`);
    if (event.kind === "task-skipped") words.set(event.task, { ...pending, state: "skipped", reason: event.reason });
    if (event.kind !== "task") continue;
    const { task, action, state, reason, evidence, durationMs } = event.event;
    const isUndone = action === "undo" && state === "done";
    const key = `${event.step} ${task} ${action}`;
    // Nobody decided that: what came before it failed, and it is still to come.
    if (state === "skipped") words.delete(key);
    else words.set(key, { state: isUndone ? "undone" : state, reason, evidence, durationMs });
  }
  return words;
}

/** Of a run that goes back, or went back: what its steps did before, failed ones among it, as it was said then. */
function wentRows({ plan, rollback, startedSteps }: RunState, words: ReadonlyMap<string, Word>): TaskRow[] {
  if (plan === undefined || rollback === undefined) return [];
  return plan.steps
    .filter(({ id }) => startedSteps.has(id))
    .flatMap(({ id: step, phase, work }) =>
      work.flatMap(({ host, groups }) =>
        groups.flat().flatMap((task): TaskRow[] => {
          const word = words.get(`${step} ${taskKey(task)}`);
          if (word === undefined) return []; // it was not begun, and never will be
          const { id, component, version, kind, action } = task;
          return [{ id, step, phase, host, component, version, kind, action, ...word, isDry: false, isOpen: false, waitsFor: undefined }]; // biome-ignore format: one line
        }),
      ),
    );
}

function rowsOf(state: RunState, words: ReadonlyMap<string, Word>): TaskRow[] {
  const rows: TaskRow[] = [];
  const byHand = new Map(state.added.map(({ id }, index) => [id, index]));
  const current = stepsOf(state)[state.position]?.id;
  let isAfter = false;
  let stepBefore: string | undefined;
  for (const step of [...state.added, ...stepsOf(state)]) {
    const ofPlan = !byHand.has(step.id);
    for (const { host, groups } of step.work) {
      let before = ofPlan && isAfter ? stepBefore : undefined;
      for (const group of groups) {
        const mine = group.map((task): TaskRow => {
          const said = { step: step.id, task: task.id, key: taskKey(task) };
          const word = isDry(task) ? dryWord(words, said) : wordOf(state, words, said);
          const { id, component, version, kind, action } = task;
          // Whoever asked for a task by hand has read how it went: nobody waits for it any more.
          const isOpen = !isOver(word, action) && (ofPlan || !state.endedSteps.has(step.id));
          const waits = word.state === "pending" && state.hosts.get(placeOf(step.id, host)) !== "done";
          const waitsFor = waits ? before : undefined;
          return { id, step: step.id, phase: step.phase, host, component, version, kind, action, ...word, isDry: isDry(task), isOpen, waitsFor }; // biome-ignore format: one line
        });
        rows.push(...mine);
        const open = mine.filter(({ isOpen }) => isOpen);
        if (open.length > 0) before = open.map(nameOf).join(", ");
      }
    }
    // All of a step ends before the next one begins.
    if (ofPlan && step.id === current) isAfter = true;
    if (ofPlan) stepBefore = step.id;
  }
  return rows;
}

/** As `waitsFor` names a task: its do and its undo may be parts of one series. */
export function nameOf({ id, action }: Pick<TaskRow, "id" | "action">): string {
  return action === "undo" ? `undo ${id}` : id;
}

/** A `do` that is undone was taken back by hand: it is to be done again. */
function isOver({ state }: Word, action: TaskAction): boolean {
  return state === "done" || state === "skipped" || (state === "undone" && action === "undo");
}

/** It did nothing, so that nothing is undone, by it or of it. */
function dryWord(
  words: ReadonlyMap<string, Word>,
  { step, key }: { readonly step: string; readonly key: string },
): Word {
  const word = words.get(`${step} ${key}`) ?? pending;
  return word.state === "undone" ? { ...word, state: "done" } : word;
}

/** What an operator took back or skipped stands above what its step said. */
function wordOf(
  state: RunState,
  words: ReadonlyMap<string, Word>,
  { step, task, key }: { readonly step: string; readonly task: TaskId; readonly key: string },
): Word {
  const byHand = words.get(task);
  const word = byHand ?? words.get(`${step} ${key}`) ?? pending;
  const known = state.tasks.get(task);
  const isTakenBack = known?.state === "undone" && key.endsWith(" do") && !words.has(`${step} ${task} undo`);
  return isTakenBack ? { ...word, state: "undone" } : word;
}
