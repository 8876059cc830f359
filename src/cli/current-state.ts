// How a release stands now: what its status says, and what the journal says of runs since. Pure.
import { type Condition, type Status, stateOf } from "../model/status.ts";

export interface OpenRunView {
  readonly run: string;
  readonly release: string;
  readonly startedAt: number;
  readonly at: number;
  /** What it brings where. */
  readonly claims: readonly { readonly component: string; readonly to: string; readonly hosts: readonly string[] }[];
  /** Why it has not ended, and the next command. */
  readonly trouble: {
    readonly reason: string;
    readonly message: string;
    readonly next: string;
    readonly goesOnByItself?: boolean;
  };
}

interface RunsView {
  readonly lastRun: { readonly run: string; readonly release: string; readonly at: number } | undefined;
  readonly openRuns?: readonly OpenRunView[];
}

/** What a release shows first, with the next command where an open run knows it. */
export type CurrentState = Condition & Partial<Pick<OpenRunView["trouble"], "next" | "goesOnByItself">>;

/**
 * The published state, unless a run has begun, gone on or ended since it was written: what that changed nobody has read back yet
 * (P7), but why an open run waits is in the journal.
 */
export function currentState(status: Status, { lastRun, openRuns = [] }: RunsView): CurrentState {
  const mine = openRuns.filter(({ release }) => release === status.release);
  const newer = mine.filter(({ at }) => at > status.at).sort(byUrgency);
  if (newer[0] !== undefined) return openState(newer[0], newer);
  const published = stateOf(status);
  const said = mine.find(({ trouble }) => trouble.reason === published.reason)?.trouble;
  if (lastRun === undefined || lastRun.release !== status.release || lastRun.at <= status.at)
    return said === undefined ? published : { ...published, ...nextOf(said) };
  const message = `run ${lastRun.run} ended after this was written; the next pass reads the hosts back`;
  return { type: "Ready", status: "Unknown", reason: "Outdated", message };
}

/** Whoever waits for a person or a host comes before who goes on. */
const urgency = ["DecisionNeeded", "HostUnknown", "GateClosed", "BudgetSpent", "RunOpen"];

function byUrgency(a: OpenRunView, b: OpenRunView): number {
  return urgency.indexOf(a.trouble.reason) - urgency.indexOf(b.trouble.reason);
}

function openState({ trouble }: OpenRunView, runs: readonly OpenRunView[]): CurrentState {
  const { reason } = trouble;
  const isOneOfMany = reason === "RunOpen" && runs.length > 1;
  const message = isOneOfMany ? `runs ${runs.map(({ run }) => run).join(", ")} have not ended` : trouble.message;
  return { type: "Reconciling", status: "True", reason, message, ...nextOf(trouble) };
}

function nextOf({
  next,
  goesOnByItself = false,
}: OpenRunView["trouble"]): Pick<CurrentState, "next" | "goesOnByItself"> {
  return { next, goesOnByItself };
}
