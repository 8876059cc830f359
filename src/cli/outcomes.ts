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

/**
 * Of what would be done now, beside the runs that are open: whoever waits for one of them changes nothing before it has gone on, so
 * its own code counts, not that of what the plan of its release has left.
 */
export function livePlanExitCode(
  plans: readonly (PlanSize & { readonly release: string })[],
  {
    failed,
    openRuns,
    waiting = [],
  }: {
    readonly failed: readonly { readonly exitCode: ExitCode }[];
    readonly openRuns: readonly { readonly release: string; readonly standing: Standing }[];
    /** Releases that a pass would leave waiting, as it says them. */
    readonly waiting?: readonly { readonly reason: string }[];
  },
): ExitCode {
  const ofRuns = [...openRuns.map(({ standing }) => standingExitCode(standing)), ...waiting.map(waitingExitCode)];
  const free = plans.filter(({ release }) => !openRuns.some((open) => open.release === release));
  return [planExitCode(free, failed), ...ofRuns].reduce((worst, code) => (code > worst ? code : worst));
}

interface ReleaseOutcome {
  readonly outcome: "done" | "rolled-back" | "stuck" | "in-sync" | "stalled" | "waiting" | "under-way";
  readonly plan: PlanSize;
  /** Set when the release could not even be planned. */
  readonly error?: { readonly exitCode: ExitCode };
  /** What keeps it waiting. */
  readonly trouble?: { readonly reason: string };
  /** What its status says first, once the hosts were read back. */
  readonly state?: Pick<Condition, "type" | "status" | "reason">;
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

/** Reasons for which a run or a release waits and does not go on by itself: a person decides, or nobody knows how a host is. */
const stuckReasons: ReadonlySet<string> = new Set(["DecisionNeeded", "HostUnknown", "BudgetSpent"]);

/** A run that is done but left hosts out is not the whole release yet: 2. One that is read back as broken is not done: 4 (P7). */
function releaseExitCode({ outcome, plan, error, state, trouble }: ReleaseOutcome): ExitCode {
  if (error !== undefined) return error.exitCode;
  if (outcome === "waiting" && trouble !== undefined) return waitingExitCode(trouble);
  if (outcome === "rolled-back") return ExitCode.rolledBack;
  if (outcome === "under-way") return ExitCode.changesPending;
  if (outcome !== "done" && outcome !== "in-sync") return ExitCode.stuck;
  const isLeft = plan.held.length > 0;
  if (state === undefined || (state.type === "Ready" && state.status === "True"))
    return isLeft ? ExitCode.changesPending : ExitCode.done;
  const isOpen = openReasons.has(state.reason) || (isLeft && state.reason === "Drifted");
  return isOpen ? ExitCode.changesPending : ExitCode.stuck;
}

function waitingExitCode({ reason }: { readonly reason: string }): ExitCode {
  return stuckReasons.has(reason) ? ExitCode.stuck : ExitCode.changesPending;
}

function endedRunExitCode({ waits, state }: RunEnd): ExitCode {
  return waits?.reason === "GateClosed" ? ExitCode.changesPending : runExitCode(state.outcome);
}

/** Of one run that an operator started; without an outcome it still waits for hosts. */
export function runExitCode(outcome: "done" | "rolled-back" | "stuck" | undefined): ExitCode {
  if (outcome === "done") return ExitCode.done;
  return outcome === "rolled-back" ? ExitCode.rolledBack : ExitCode.stuck;
}

type Standing = "done" | "rolled-back" | "stuck" | "going" | "gate" | "decision" | "silent" | "paused";

/** The same with what it was made for: one that went through a slice which left some of its plan is done, and its release is not. */
export function runBookExitCode({ standing, leavesSome }: { standing: Standing; leavesSome: boolean }): ExitCode {
  return standing === "done" && leavesSome ? ExitCode.changesPending : standingExitCode(standing);
}

/** Of one run, also while it is open: on its way or at a gate 2; waiting for a decision, for hosts whose state nobody knows, or for other runs that do, 4. */
export function standingExitCode(standing: Standing): ExitCode {
  if (standing === "going" || standing === "gate") return ExitCode.changesPending;
  if (standing === "decision" || standing === "silent" || standing === "paused") return ExitCode.stuck;
  return runExitCode(standing);
}

interface StatusFacts {
  /** The newest commit was. */
  readonly refused?: boolean;
  readonly openRuns?: readonly { readonly standing: Standing }[];
}

/**
 * By the state of each release, and by the runs that are open. Ready everywhere 0, under way, at a gate or never tried 2, anything
 * else 4: unknown is never good (P7), nor is a newest commit that was refused, nor a run that waits for a person's decision, whatever
 * else goes on meanwhile.
 */
export function statusExitCode(
  states: readonly Condition[],
  { refused = false, openRuns = [] }: StatusFacts = {},
): ExitCode {
  if (refused) return ExitCode.stuck;
  const ofRuns = openRuns.map(({ standing }) => standingExitCode(standing));
  if (ofRuns.includes(ExitCode.stuck)) return ExitCode.stuck;
  if (states.some(({ type, status }) => status !== "True" || type === "Stalled")) return ExitCode.stuck;
  if (states.some(({ reason }) => stuckReasons.has(reason))) return ExitCode.stuck;
  if (states.length === 0 || ofRuns.length > 0) return ExitCode.changesPending;
  if (states.some(({ type }) => type === "Reconciling")) return ExitCode.changesPending;
  return ExitCode.done;
}
