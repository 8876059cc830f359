// From what a plan or a pass came to, to the exit code. Pure.
import { ExitCode } from "../errors.ts";
import type { Condition } from "../model/status.ts";

interface PlanSize {
  readonly changes: readonly unknown[];
  readonly held: readonly unknown[];
}

/** In sync 0, something would change 2; only left-out hosts, so nothing can change: 4. */
export function planExitCode(plans: readonly PlanSize[]): ExitCode {
  if (plans.some(({ changes }) => changes.length > 0)) return ExitCode.changesPending;
  return plans.some(({ held }) => held.length > 0) ? ExitCode.stuck : ExitCode.done;
}

interface ReleaseOutcome {
  readonly outcome: "done" | "rolled-back" | "stuck" | "in-sync" | "stalled" | "waiting";
  readonly plan: PlanSize;
}

/** The worst of all releases; a run that is done but left hosts out is not the whole release yet: 2. */
export function passExitCode(results: readonly ReleaseOutcome[]): ExitCode {
  const has = (...outcomes: readonly ReleaseOutcome["outcome"][]) =>
    results.some(({ outcome }) => outcomes.includes(outcome));
  if (has("stuck", "stalled", "waiting")) return ExitCode.stuck;
  if (has("rolled-back")) return ExitCode.rolledBack;
  return results.some(({ plan }) => plan.held.length > 0) ? ExitCode.changesPending : ExitCode.done;
}

/** Of one run that an operator started; without an outcome it still waits for hosts. */
export function runExitCode(outcome: "done" | "rolled-back" | "stuck" | undefined): ExitCode {
  if (outcome === "done") return ExitCode.done;
  return outcome === "rolled-back" ? ExitCode.rolledBack : ExitCode.stuck;
}

/** By the state of each release. Ready everywhere 0, under way or never tried 2, anything else 4: unknown is never good (P7). */
export function statusExitCode(states: readonly Condition[]): ExitCode {
  if (states.some(({ type, status }) => status !== "True" || type === "Stalled")) return ExitCode.stuck;
  if (states.length === 0 || states.some(({ type }) => type === "Reconciling")) return ExitCode.changesPending;
  return ExitCode.done;
}
