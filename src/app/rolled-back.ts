// What a rollback came to, for whoever asked for it: of all runs that were to go back, also those that do not. Pure.
import type { CutoverError } from "../errors.ts";
import type { RunId, RunOutcome } from "../model/run-event.ts";
import type { RunResult } from "./execute-run.ts";

export type RollBackResult = RunResult & {
  /** Set when the status is true but could not be written to git; the next pass writes it. */
  readonly notPublished?: string;
  /** Open runs of the release that were to go back as well, and do not. */
  readonly notBegun?: readonly NotBegun[];
};

export interface NotBegun {
  readonly run: RunId;
  readonly error: CutoverError;
}

interface Said {
  readonly outcome: RunOutcome | "waiting";
  readonly reason: string;
}

/** Stuck, where a run does not go back that was to: the same request again takes it back. */
export function saidOf({ run, state, notBegun = [] }: RollBackResult): Said {
  const outcome = state.outcome ?? "waiting";
  if (notBegun.length === 0) return { outcome, reason: state.reason };
  const others = notBegun.map((each) => `${each.run} does not go back: ${each.error.message}`);
  const went = `${run} ${outcome}${state.reason === "" ? "" : `: ${state.reason}`}`;
  return { outcome: "stuck", reason: `${went}; ${others.join("; ")}; the same request again takes that back` };
}
