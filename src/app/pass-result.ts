// What one pass found and did, release by release: read by status, the command line, metrics and the loop itself.
import type { CutoverError } from "../errors.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { RunId, RunOutcome } from "../model/run-event.ts";
import type { Condition } from "../model/status.ts";
import type { BackOff } from "./back-off.ts";
import type { RunResult } from "./execute-run.ts";

export interface ReleaseResult {
  readonly release: string;
  /** Without changes when there was none: `error` or `trouble` says why. */
  readonly plan: Plan;
  /** The snapshot that the plan was made from; empty while an open run does all that is to be done. */
  readonly observations: ReadonlyMap<string, Observation>;
  /** Undefined when there was nothing to run. */
  readonly run: RunResult | undefined;
  /** `under-way`: a run that is driven just now does what is to be done. */
  readonly outcome: RunOutcome | "in-sync" | "stalled" | "waiting" | "under-way";
  /** Open runs that have to end before more of the release can be done. */
  readonly blockedBy?: readonly RunId[];
  /** What keeps the release from being worked on, for its status. */
  readonly trouble?: { readonly reason: string; readonly message: string; readonly next?: string };
  /** This very plan has failed before; while it waits for its next try, nothing ran. */
  readonly backOff?: BackOff;
  /** This release could not even be planned; the others were. */
  readonly error?: CutoverError;
  /** What its status says first, after the hosts were read back. */
  readonly state?: Condition;
}

/**
 * Its run reached and committed a stepping stone (R16): the way to what is asked for goes on from there at once. Who asked for a
 * part of a plan gets that part.
 */
export function isAtStone({ outcome, plan, run }: Pick<ReleaseResult, "outcome" | "plan" | "run">): boolean {
  return (
    outcome === "done" &&
    run !== undefined &&
    plan.slice === undefined &&
    plan.changes.some(({ further }) => further !== undefined)
  );
}

export interface PassResult {
  readonly commit: string;
  /** Runs that an earlier controller had left open, as they stand now. */
  readonly resumed: readonly RunResult[];
  readonly results: readonly ReleaseResult[];
  readonly warnings: readonly Diagnostic[];
  /** Set when the status is true but could not be written to git; the next pass writes it. */
  readonly notPublished?: string;
}
