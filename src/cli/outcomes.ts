// From what a plan or a pass came to, to the exit code. Pure.
import { ExitCode } from "../errors.ts";
import type { Condition } from "../model/status.ts";

interface PlanSize {
  readonly changes: readonly unknown[];
  readonly held: readonly unknown[];
}

/** In sync 0, something would change 2; only left-out hosts, so nothing can change: 4. */
export function planExitCode(
  plans: readonly PlanSize[],
  failed: readonly { readonly exitCode: ExitCode }[] = [],
): ExitCode {
  const [worst] = failed.map(({ exitCode }) => exitCode).sort((a, b) => b - a);
  if (worst !== undefined) return worst;
  if (plans.some(({ changes }) => changes.length > 0)) return ExitCode.changesPending;
  return plans.some(({ held }) => held.length > 0) ? ExitCode.stuck : ExitCode.done;
}

interface ReleaseOutcome {
  readonly outcome: "done" | "rolled-back" | "stuck" | "in-sync" | "stalled" | "waiting" | "under-way";
  readonly plan: PlanSize;
  /** Set when the release could not even be planned. */
  readonly error?: { readonly exitCode: ExitCode };
  /** What its status says first, once the hosts were read back. */
  readonly state?: Pick<Condition, "type" | "status" | "reason">;
  readonly run?: RunEnd | undefined;
}
interface RunEnd {
  /** Set while it waits for a person. At a gate nothing is wrong, and it is not done. */
  readonly waits?: { readonly reason: string };
  readonly state: { readonly outcome: "done" | "rolled-back" | "stuck" | undefined };
}

/** The worst of all releases and of the runs that were taken up again: the higher the code, the worse. */
export function passExitCode(results: readonly ReleaseOutcome[], resumed: readonly RunEnd[] = []): ExitCode {
  const codes = [...results.map(releaseExitCode), ...resumed.map(endedRunExitCode)];
  return codes.reduce<ExitCode>((worst, code) => (code > worst ? code : worst), ExitCode.done);
}

/** Reasons that time or an operator's word may end: the rest of the release is as asked. */
const openReasons: ReadonlySet<string> = new Set(["Held", "Unreachable", "Pending", "RunOpen"]);

/** A run that is done but left hosts out is not the whole release yet: 2. One that is read back as broken is not done: 4 (P7). */
function releaseExitCode({ outcome, plan, error, state, run }: ReleaseOutcome): ExitCode {
  if (error !== undefined) return error.exitCode;
  if (outcome === "waiting" && run?.waits?.reason === "GateClosed") return ExitCode.changesPending;
  if (outcome === "rolled-back") return ExitCode.rolledBack;
  if (outcome === "under-way") return ExitCode.changesPending;
  if (outcome !== "done" && outcome !== "in-sync") return ExitCode.stuck;
  if (plan.held.length > 0) return ExitCode.changesPending;
  if (state === undefined || (state.type === "Ready" && state.status === "True")) return ExitCode.done;
  return openReasons.has(state.reason) ? ExitCode.changesPending : ExitCode.stuck;
}

function endedRunExitCode({ waits, state }: RunEnd): ExitCode {
  return waits?.reason === "GateClosed" ? ExitCode.changesPending : runExitCode(state.outcome);
}

/** Of one run that an operator started; without an outcome it still waits for hosts. */
export function runExitCode(outcome: "done" | "rolled-back" | "stuck" | undefined): ExitCode {
  if (outcome === "done") return ExitCode.done;
  return outcome === "rolled-back" ? ExitCode.rolledBack : ExitCode.stuck;
}

/** Of one run, also while it is open: on its way or at a gate 2; waiting for a decision, or for hosts whose state nobody knows, 4. */
export function standingExitCode(
  standing: "done" | "rolled-back" | "stuck" | "going" | "gate" | "decision" | "silent",
): ExitCode {
  if (standing === "going" || standing === "gate") return ExitCode.changesPending;
  return standing === "decision" || standing === "silent" ? ExitCode.stuck : runExitCode(standing);
}

/**
 * By the state of each release. Ready everywhere 0, under way, at a gate or never tried 2, anything else 4: unknown is never good
 * (P7), nor is a newest commit that was refused, nor a run that waits for a person's decision, whatever else it does meanwhile.
 */
export function statusExitCode(states: readonly Condition[], refused = false): ExitCode {
  if (refused) return ExitCode.stuck;
  if (states.some(({ type, status }) => status !== "True" || type === "Stalled")) return ExitCode.stuck;
  if (states.some(({ reason }) => reason === "DecisionNeeded")) return ExitCode.stuck;
  if (states.length === 0 || states.some(({ type }) => type === "Reconciling")) return ExitCode.changesPending;
  return ExitCode.done;
}
