// The runs that have not ended, with their plans, from the journal alone: what a look at the plan shows in place of a new plan, and what
// a part of a plan is not run beside.
import type { Plan, Step } from "../model/plan.ts";
import type { RunId } from "../model/run-event.ts";
import type { JournalPort } from "../ports.ts";
import { openRuns, replayRun, runStream } from "../run/replay.ts";
import { stepsOf } from "../run/run-state.ts";
import { type OpenTrouble, openTrouble } from "./open-trouble.ts";

export interface StandingRun {
  readonly run: RunId;
  readonly plan: Plan;
  /** Documents that it was planned from. */
  readonly generation: string;
  readonly isWayBack: boolean;
  /** Its steps that have not ended. */
  readonly left: readonly Step[];
  /** Why it has not ended. */
  readonly trouble: OpenTrouble;
}

/** Oldest first. */
export async function standingRuns(journal: JournalPort): Promise<StandingRun[]> {
  const found: StandingRun[] = [];
  for (const run of await openRuns(journal)) {
    const [planned] = await journal.read(runStream(run), ["run-planned"]);
    const { state } = await replayRun(journal, run);
    const { plan, generation } = state;
    const trouble = openTrouble({ run, state });
    // It may have ended since.
    if (planned?.kind !== "run-planned" || plan === undefined || trouble === undefined) continue;
    const left = stepsOf(state).filter(({ id }) => !state.endedSteps.has(id));
    found.push({ run, plan, generation, isWayBack: planned.wayBackOf !== undefined, left, trouble });
  }
  return found;
}

/** It carries out what these documents ask of its release: nothing else of that is planned before it has ended. */
export function carriesOut(
  { plan, generation, isWayBack }: Pick<StandingRun, "plan" | "generation" | "isWayBack">,
  wanted: { readonly release: string; readonly generation: string },
): boolean {
  return plan.release === wanted.release && generation === wanted.generation && !isWayBack;
}
