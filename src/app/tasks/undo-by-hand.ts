// `cutover task run --undo`: an undo takes back what a do of the same run kept on its host. Which run that was is looked up in the
// journal; where nothing can be taken back, it is said, and nothing is run.
import { CutoverError } from "../../errors.ts";
import type { Step } from "../../model/plan.ts";
import type { JournalEvent, RunId } from "../../model/run-event.ts";
import type { Task, TaskId } from "../../model/task.ts";
import type { JournalPort } from "../../ports.ts";
import { runStream } from "../../run/replay.ts";

/** Older runs are not looked through: their hosts have cleared what they kept long ago. */
const newestRuns = 100;

/**
 * The task with the run whose do it takes back. Throws `nothing-to-undo` when no run did it, when it was taken back already, or
 * when the host has cleared what it kept, since a later run was committed there.
 */
export async function undoByHand(
  journal: Pick<JournalPort, "read" | "streams">,
  { task, hasUndo, open }: { readonly task: Task; readonly hasUndo: boolean; readonly open: RunId | undefined },
): Promise<Task> {
  const { id, host, component, version } = task;
  const listPlace = `cutover task list --host ${host} --component ${component} shows what ran there`;
  if (!hasUndo) throw nothing(`${id.split("/")[2]} of ${component} ${version} has no undo`, listPlace);
  // Health and drain keep nothing of a run.
  if (task.kind !== "hook") return task;
  let committed: RunId | undefined;
  /** Of other versions: in which run what their do kept there still is, undefined where nothing is left to take back. */
  const others = new Map<string, RunId | undefined>();
  for (const stream of (await journal.streams(runStream(""))).slice(-newestRuns).reverse()) {
    const run = stream.slice(runStream("").length);
    const events = await journal.read(stream, ["run-planned", "step-added", "task"]);
    const last = lastWord(events, task);
    if (last === "undo") throw nothing(`${id} was taken back already, in run ${run}`, listRun(run));
    if (last === "do" && committed !== undefined && run !== open)
      throw nothing(
        `what ${id} kept in run ${run} is cleared since run ${committed} was committed there`,
        listRun(run),
      );
    if (last === "do") return run === open ? task : { ...task, options: { ...task.options, "trial-run": run } };
    for (const other of versionsIn(events, id)) {
      const word = others.has(other) ? undefined : lastWord(events, { id, version: other });
      if (word !== undefined) others.set(other, word === "do" && (committed === undefined || run === open) ? run : undefined); // biome-ignore format: one line
    }
    if (committed === undefined && isCommitted(events, task)) committed = run;
  }
  const unknown = `no run is known in which ${id} ran for ${version}`;
  for (const [other, run] of others)
    if (run !== undefined)
      throw nothing(
        `${unknown}; run ${run} ran it for ${other}`,
        `cutover task run ${id} --undo --version ${other} --reason …`,
      );
  throw nothing(unknown, listPlace);
}

function listRun(run: RunId): string {
  return `cutover task list ${run} shows what that run did`;
}

function stepsIn(events: readonly JournalEvent[]): readonly Step[] {
  return events.flatMap((event) => (event.kind === "run-planned" ? event.plan.steps : event.kind === "step-added" ? event.step : [])); // biome-ignore format: one line
}

/** Whose script a step of the run is. */
function versionsIn(events: readonly JournalEvent[], id: TaskId): ReadonlySet<string> {
  const tasks = stepsIn(events).flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  return new Set(tasks.flatMap((task) => (task.id === id ? [task.version] : [])));
}

/** What it did there last: a do counts as soon as it ended, well or not. A dry run, or another version's, says nothing. */
function lastWord(
  events: readonly JournalEvent[],
  { id, version }: Pick<Task, "id" | "version">,
): "do" | "undo" | undefined {
  const aside = new Set<string>();
  for (const step of stepsIn(events))
    for (const task of step.work.flatMap(({ groups }) => groups.flat()))
      if (task.id === id && (task.version !== version || task.options["dry-run"] !== undefined))
        aside.add(`${step.id} ${task.action}`);
  const word = events.findLast((event) => {
    if (event.kind !== "task" || event.event.task !== id || aside.has(`${event.step} ${event.event.action}`))
      return false;
    const { action, state } = event.event;
    return state === "done" || (action === "do" && state === "failed");
  });
  return word?.kind === "task" ? word.event.action : undefined;
}

function isCommitted(events: readonly JournalEvent[], { host, component }: Task): boolean {
  return events.some((event) => event.kind === "task" && event.event.task === `${host}/${component}/commit` && event.event.state === "done"); // biome-ignore format: one line
}

function nothing(why: string, remedy: string): CutoverError {
  return new CutoverError({
    code: "nothing-to-undo",
    message: `There is nothing to undo: ${why}`,
    impact: "Nothing was run, and nothing was changed",
    remedy,
  });
}
