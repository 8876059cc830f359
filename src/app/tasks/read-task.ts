// One task of a run with its whole story.
import { UsageError } from "../../errors.ts";
import type { Step } from "../../model/plan.ts";
import type { EventBody, RunId } from "../../model/run-event.ts";
import type { TaskId } from "../../model/task.ts";
import type { JournalPort } from "../../ports.ts";
import { runStream } from "../../run/replay.ts";
import { isByHandAlone, isDry } from "./by-hand.ts";
import { findNewestRunWith, findTask, type LoadedRun, parseTaskId } from "./find-task.ts";
import { nameOf, type TaskRow, taskBook } from "./task-book.ts";

export interface TaskStory {
  readonly run: RunId;
  readonly row: TaskRow;
  /** Milliseconds since the epoch, and what happened, in order. */
  readonly story: readonly { readonly at: number; readonly text: string }[];
  /** Tasks of the same host that wait for this one. */
  readonly dependents: readonly TaskId[];
  /** The newest run of this one task by hand, where it came later and nobody named a run. */
  readonly laterByHand?: { readonly run: RunId; readonly isDry: boolean };
}

/** Of the newest open run that has it, else of the newest run that has. Throws UsageError. */
export async function readTask(journal: JournalPort, text: string): Promise<TaskStory> {
  const asked = parseTaskId(text);
  const found = await (asked.run === undefined ? findNewestRunWith(journal, asked.id) : findTask(journal, asked));
  const { tasks } = taskBook(found);
  const mine = tasks.filter(({ id }) => id === asked.id);
  const row = chosenOf(found, mine);
  if (row === undefined)
    throw new UsageError(`Run ${found.run} went back before it came to ${asked.id}`, `cutover task list ${found.run}`);
  const later = asked.run === undefined ? await laterByHand(journal, { after: found.run, id: asked.id }) : undefined;
  const story = { run: found.run, row, story: storyOf(found, row), dependents: dependentsOf(tasks, row) };
  return later === undefined ? story : { ...story, laterByHand: later };
}

/** Older ones are asked for by name. */
const newestRuns = 50;

async function laterByHand(
  journal: JournalPort,
  { after, id }: { readonly after: RunId; readonly id: TaskId },
): Promise<TaskStory["laterByHand"]> {
  const streams = await journal.streams(runStream(""));
  const later = streams.slice(streams.indexOf(runStream(after)) + 1).slice(-newestRuns);
  for (const stream of later.reverse()) {
    const [planned] = await journal.read(stream, ["run-planned"]);
    if (planned?.kind !== "run-planned" || !isByHandAlone(planned.plan)) continue;
    const tasks = planned.plan.steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
    const mine = tasks.find((task) => task.id === id);
    if (mine !== undefined) return { run: stream.slice(runStream("").length), isDry: isDry(mine) };
  }
  return undefined;
}

/** That of the plan says how the task is, whatever was tried by hand beside it; what ran dry says it last. */
function chosenOf({ state }: LoadedRun, mine: readonly TaskRow[]): TaskRow | undefined {
  const added = new Set(state.added.map(({ id }) => id));
  const planned = mine.filter(({ step }) => !added.has(step));
  const ran = mine.filter(({ isDry }) => !isDry);
  const ofKind = [planned.filter(({ isDry }) => !isDry), ran, mine].find((rows) => rows.length > 0) ?? [];
  return ofKind.find(({ action }) => action === "do") ?? ofKind[0];
}

/** Those of its step that wait for it, and those that wait for these. */
function dependentsOf(tasks: readonly TaskRow[], row: TaskRow): TaskId[] {
  const reached = new Set([nameOf(row)]);
  const found = new Set<TaskId>();
  // They come in the order in which they run.
  for (const each of tasks) {
    if (each.step !== row.step || each.host !== row.host) continue;
    if (each.waitsFor?.split(", ").some((name) => reached.has(name)) !== true) continue;
    reached.add(nameOf(each));
    if (each.id !== row.id) found.add(each.id);
  }
  return [...found];
}

function storyOf({ events, state }: LoadedRun, { id, step, host }: TaskRow): TaskStory["story"] {
  const tasksOf = ({ work }: Step) => work.flatMap(({ groups }) => groups.flat()).filter((task) => task.id === id);
  const dry = new Set([...state.added, ...(state.plan?.steps ?? [])].flatMap((each) => (tasksOf(each).some(isDry) ? each.id : []))); // biome-ignore format: one line
  return events.flatMap((event) => {
    const text = wordsOf(event, { id, step, host });
    const isOfDry = event.kind === "step-added" ? dry.has(event.step.id) : event.kind === "task" && dry.has(event.step);
    return text === undefined ? [] : [{ at: event.at, text: isOfDry ? `dry run: ${text}` : text }];
  });
}

function wordsOf(event: EventBody, row: Pick<TaskRow, "id" | "step" | "host">): string | undefined {
  if (event.kind === "task" && event.event.task === row.id) {
    const { action, state, reason, evidence } = event.event;
    const said = [reason === "" ? "" : ` (${reason})`, evidence === "" ? "" : `: ${evidence.trimEnd()}`].join("");
    return `${action} ${state}${said}`;
  }
  if (event.kind === "task-skipped" && event.task === row.id) return `skipped by ${event.by}: ${event.reason}`;
  if (
    event.kind === "step-added" &&
    event.step.work.some(({ groups }) => groups.flat().some(({ id }) => id === row.id))
  )
    return `asked for by ${event.by}: ${event.reason}`;
  if (event.kind === "host-reopened" && event.step === row.step && event.host === row.host)
    return event.tasks.some((key) => key.startsWith(`${row.id} `)) ? `a turn, opened by ${event.by}: ${event.reason}` : undefined; // biome-ignore format: one line
  if (event.kind === "amended" && row.id.split("/")[1] === event.component)
    return `bundle mended by ${event.by}: ${event.changes.join(", ")}`;
  return undefined;
}
