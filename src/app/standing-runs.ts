// The runs that have not ended, with their plans, from the journal alone: what a look at the plan shows in place of a new plan, and what
// a part of a plan is not run beside.
import type { Plan, Step } from "../model/plan.ts";
import type { JournalEvent, RunId } from "../model/run-event.ts";
import { type Claimant, claimsOf } from "../plan/claims.ts";
import type { JournalPort } from "../ports.ts";
import { noteUnwell, type Unwell, unwellKinds } from "../run/note-unwell.ts";
import { openRuns, replayRun, runStream } from "../run/replay.ts";
import { type RunState, stepsOf } from "../run/run-state.ts";
import { hearBeside, noneBeside, type OpenBeside, type UnwellBeside, unwellBeside } from "../run/unwell-beside.ts";
import { type OpenTrouble, openTrouble } from "./open-trouble.ts";

export interface StandingRun extends Claimant {
  readonly plan: Plan;
  /** Documents that it was planned from. */
  readonly generation: string;
  readonly isWayBack: boolean;
  /** Its steps that have not ended. */
  readonly left: readonly Step[];
  /** Hosts that it found failed, silent or had to leave out (P9). */
  readonly unwell: ReadonlySet<string>;
  /** Why it has not ended. */
  readonly trouble: OpenTrouble;
}

/** Oldest first. */
export async function standingRuns(journal: JournalPort): Promise<StandingRun[]> {
  const found: StandingRun[] = [];
  const beside = await besideInJournal(journal);
  for (const { run, planned, bad } of beside.open) {
    const state = beside.hear(run, (await replayRun(journal, run)).state);
    const { plan, generation } = state;
    const trouble = openTrouble({ run, state });
    // It may have ended since.
    if (plan === undefined || trouble === undefined) continue;
    const left = stepsOf(state).filter(({ id }) => !state.endedSteps.has(id));
    const isWayBack = planned.wayBackOf !== undefined;
    const held = { claims: claimsOf(plan), since: planned.at, unwell: new Set(bad.keys()) };
    found.push({ run, plan, generation, isWayBack, left, ...held, trouble });
  }
  return found;
}

export interface BesideInJournal {
  /** Oldest first. */
  readonly open: readonly (OpenBeside & { readonly planned: Extract<JournalEvent, { kind: "run-planned" }> })[];
  /** What the other open runs of its release have used of its failure budget (P9). */
  besideOf(run: RunId): UnwellBeside;
  /** A run as it stands by now: its own journal has what it was told when it was driven last. */
  hear(run: RunId, state: RunState): RunState;
}

/** For whoever drives one run alone, and for whoever looks. */
export async function besideInJournal(journal: JournalPort): Promise<BesideInJournal> {
  const open: BesideInJournal["open"][number][] = [];
  for (const run of await openRuns(journal)) {
    const events = await journal.read(runStream(run), ["run-planned", ...unwellKinds]);
    const [planned] = events;
    if (planned?.kind !== "run-planned") continue;
    const bad: Unwell = new Map();
    for (const event of events) noteUnwell(bad, event);
    open.push({ run, plan: planned.plan, planned, bad });
  }
  const besideOf = (run: RunId) => {
    const own = open.find((each) => each.run === run);
    return own === undefined ? noneBeside : unwellBeside(own, open);
  };
  return { open, besideOf, hear: (run, state) => hearBeside(state, besideOf(run)) };
}

/** It carries out what these documents ask of its release: nothing else of that is planned before it has ended. */
export function carriesOut(
  { plan, generation, isWayBack }: Pick<StandingRun, "plan" | "generation" | "isWayBack">,
  wanted: { readonly release: string; readonly generation: string },
): boolean {
  return plan.release === wanted.release && generation === wanted.generation && !isWayBack;
}
