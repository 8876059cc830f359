// The plan that is stored with a run, and how its tasks stand: from the journal alone, during the run and after it.
import { meantId } from "../desired/nearest.ts";
import { UsageError } from "../errors.ts";
import type { Plan } from "../model/plan.ts";
import type { RunId, RunOutcome } from "../model/run-event.ts";
import type { TaskState } from "../model/task.ts";
import type { JournalPort } from "../ports.ts";
import { replayRun, runStream } from "../run/replay.ts";
import type { TaskRecord } from "../run/run-state.ts";
import { type BookLine, planBook } from "../status/plan-book.ts";

export interface StoredPlan {
  readonly run: RunId;
  readonly commit: string;
  readonly plan: Plan;
  /** Undefined while the run is open. */
  readonly outcome: RunOutcome | undefined;
  readonly reason: string;
  readonly book: readonly BookLine[];
}

/** What its host passed over, since something before it had failed, is still to come; only a person skips for good. */
function stateOf(task: TaskRecord | undefined): TaskState | undefined {
  return task?.state === "skipped" && task.reason !== "operator" ? "pending" : task?.state;
}

/** Throws UsageError for a run that the journal does not have. */
export async function readPlan({ journal }: { readonly journal: JournalPort }, run: RunId): Promise<StoredPlan> {
  const { state } = await replayRun(journal, run);
  const { plan, commit, outcome, reason } = state;
  if (plan === undefined) {
    const runs = (await journal.streams(runStream(""))).map((stream) => stream.slice(runStream("").length));
    const [newest, meant] = [runs.at(-1), meantId(run, runs.toReversed())];
    const hint = meant === undefined ? `the newest is ${newest}` : `did you mean ${meant}?`;
    throw new UsageError(
      `The journal has no run ${run}; ${newest === undefined ? "there is none yet" : hint}`,
      newest === undefined ? "cutover reconcile --once" : `cutover plan --run ${meant ?? newest}`,
    );
  }
  const book = planBook({
    plan,
    stateOf: ({ id }) => (state.skipped.has(id) ? "skipped" : stateOf(state.tasks.get(id))),
    isEnded: (step) => state.endedSteps.has(step),
  });
  return { run, commit, plan, outcome, reason, book };
}
