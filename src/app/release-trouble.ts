// Results of releases that were not worked on in this pass, and why. Pure.
import { CutoverError } from "../errors.ts";
import { digestOf } from "../model/digest.ts";
import type { Plan } from "../model/plan.ts";
import type { BackOff } from "./back-off.ts";
import type { ReleaseResult } from "./pass-result.ts";

/** An error of this release alone; a lost lease or a journal that cannot be written end the whole pass. */
export function isReleaseFailure(error: unknown): error is CutoverError {
  return error instanceof CutoverError && error.code !== "lease-lost" && !error.code.startsWith("journal");
}

export function failedResult(release: string, error: CutoverError): ReleaseResult {
  const { code: reason, message, evidence } = error;
  return {
    ...nothingPlanned(release),
    outcome: "stalled",
    trouble: { reason, message: evidence === undefined ? message : `${message}: ${evidence}` },
    error,
  };
}

/** Another release's run waits for hosts, and two runs at once could spend twice the failure budget. */
export function waitingResult(release: string, run: string, of: string): ReleaseResult {
  return {
    ...nothingPlanned(release),
    outcome: "waiting",
    trouble: {
      reason: "RunOpen",
      message: `run ${run} of ${of} waits for hosts that do not answer; this release is next`,
    },
  };
}

/** Without numbers and times, which `cutover status` shows: equal tries make equal statuses, published once. */
export function troubleOfBackOff({ outcome, reason }: BackOff): { reason: string; message: string } {
  return {
    reason: "backing-off",
    message: `this very plan ended ${outcome} (${reason}); it is tried again with growing pauses, or at once after: cutover retry`,
  };
}

function nothingPlanned(release: string): Pick<ReleaseResult, "release" | "plan" | "observations" | "run"> {
  const plan: Plan = {
    release,
    changes: [],
    waiting: [],
    steps: [],
    held: [],
    rollbackPolicy: "manual",
    failureBudget: 0,
    hash: digestOf(""),
  };
  return { release, plan, observations: new Map(), run: undefined };
}
