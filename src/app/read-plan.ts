// The plan that is stored with a run, and how its tasks stand: from the journal alone, during the run and after it.
import { UsageError } from "../errors.ts";
import type { Plan } from "../model/plan.ts";
import type { RunId, RunOutcome } from "../model/run-event.ts";
import type { JournalPort } from "../ports.ts";
import { replayRun, runStream } from "../run/replay.ts";
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

/** Throws UsageError for a run that the journal does not have. */
export async function readPlan({ journal }: { readonly journal: JournalPort }, run: RunId): Promise<StoredPlan> {
  const { state } = await replayRun(journal, run);
  const { plan, commit, outcome, reason } = state;
  if (plan === undefined) {
    const newest = (await journal.streams(runStream(""))).at(-1)?.slice(runStream("").length);
    const hint = newest === undefined ? "there is none yet" : `the newest is ${newest}`;
    throw new UsageError(`The journal has no run ${run}; ${hint}`, `cutover plan --run ${newest ?? "RUN"}`);
  }
  const book = planBook({
    plan,
    stateOf: ({ id }) => state.tasks.get(id)?.state,
    isEnded: (step) => state.endedSteps.has(step),
  });
  return { run, commit, plan, outcome, reason, book };
}
