// `cutover task run --undo`: an undo takes back what a do of the same run kept on its host. Which run that was is looked up in the
// journal; where nothing can be taken back, it is said, and nothing is run.
import { CutoverError } from "../../errors.ts";
import type { JournalEvent, RunId } from "../../model/run-event.ts";
import type { Task } from "../../model/task.ts";
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
  if (!hasUndo) throw nothing(`${task.id.split("/")[2]} of ${task.component} ${task.version} has no undo`);
  // Health and drain keep nothing of a run.
  if (task.kind !== "hook") return task;
  let committed: RunId | undefined;
  for (const stream of (await journal.streams(runStream(""))).slice(-newestRuns).reverse()) {
    const run = stream.slice(runStream("").length);
    const events = await journal.read(stream, ["run-planned", "step-added", "task"]);
    const last = lastWord(events, task);
    if (last === "undo") throw nothing(`${task.id} was taken back already, in run ${run}`);
    if (last === "do" && committed !== undefined && run !== open)
      throw nothing(`what ${task.id} kept in run ${run} is cleared since run ${committed} was committed there`);
    if (last === "do") return run === open ? task : { ...task, options: { ...task.options, "trial-run": run } };
    if (committed === undefined && isCommitted(events, task)) committed = run;
  }
  throw nothing(`no run is known in which ${task.id} ran`);
}

/** What it did there last: a do counts as soon as it ended, well or not. A dry run, or another version's, says nothing. */
function lastWord(events: readonly JournalEvent[], { id, version }: Task): "do" | "undo" | undefined {
  const steps = events.flatMap((event) => (event.kind === "run-planned" ? event.plan.steps : event.kind === "step-added" ? event.step : [])); // biome-ignore format: one line
  const aside = new Set<string>();
  for (const step of steps)
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

function nothing(why: string): CutoverError {
  return new CutoverError({
    code: "nothing-to-undo",
    message: `There is nothing to undo: ${why}`,
    impact: "Nothing was run, and nothing was changed",
    remedy: "cutover task list RUN shows what a run did; cutover rollback --reason … takes the last one back",
  });
}
