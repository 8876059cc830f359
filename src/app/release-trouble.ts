// Results of releases that were not worked on in this pass, and why. Pure.
import { CutoverError } from "../errors.ts";
import { digestOf } from "../model/digest.ts";
import type { Plan } from "../model/plan.ts";
import type { RunId } from "../model/run-event.ts";
import type { RunState } from "../run/run-state.ts";
import type { BackOff } from "./back-off.ts";
import { type Blocked, blockedText, runsOf } from "./beside-open-runs.ts";
import { type RunResult, resultOf } from "./execute-run.ts";
import { openTrouble } from "./open-trouble.ts";
import type { ReleaseResult } from "./pass-result.ts";
import type { OpenRun } from "./run-pool.ts";
import type { StandingRun } from "./standing-runs.ts";

/** An error of this release alone; a lost lease or a journal that cannot be written end the whole pass. */
export function isReleaseFailure(error: unknown): error is CutoverError {
  return error instanceof CutoverError && error.code !== "lease-lost" && !error.code.startsWith("journal");
}

export function failedResult(release: string, error: CutoverError): ReleaseResult {
  const { code: reason, message, evidence } = error;
  return {
    ...nothingPlanned(release),
    outcome: "stalled",
    // A line of status and notes; in `error` the evidence keeps its own.
    trouble: { reason, message: evidence === undefined ? message : `${message}: ${evidence.replaceAll("\n", "; ")}` },
    error,
  };
}

/** Nothing of the release starts before those runs have ended. `seen`: what was found out about it, so that hosts are not asked again. */
export function blockedResult(
  release: string,
  blocked: readonly Blocked[],
  seen: Partial<Pick<ReleaseResult, "plan" | "observations">> = {},
): ReleaseResult {
  const trouble = troubleOfBlocked(blocked);
  return { ...nothingPlanned(release), ...seen, outcome: "waiting", blockedBy: runsOf(blocked), trouble };
}

export function troubleOfBlocked(blocked: readonly Blocked[]): NonNullable<ReleaseResult["trouble"]> {
  const isBudget = blocked.some(({ conflict }) => conflict.kind === "budget");
  return { reason: isBudget ? "BudgetSpent" : "Claimed", message: blockedText(blocked), next: "cutover status" };
}

/** Nothing else of the release is to be done: what it asks for is on its way, or waits for hosts that do not answer. */
export function underWayResult(open: OpenRun): ReleaseResult {
  const { run, plan, stands } = open;
  const base = { release: plan.release, plan, observations: new Map(), blockedBy: [run] };
  if (stands !== undefined)
    return { ...base, ...waitingFor(run, stands), run: resultOf(run, stands), outcome: "waiting" };
  return { ...base, run: undefined, outcome: "under-way", trouble: runOpenTrouble([run]) };
}

/** Of a part of the plan that this open run has behind it, or never had. */
export function behindResult({ run, plan, trouble }: StandingRun): ReleaseResult {
  const { reason, next } = trouble;
  const message = `nothing of this slice is left to do before its open run has ended: ${trouble.message}`;
  const base = { release: plan.release, plan, observations: new Map(), run: undefined, blockedBy: [run] };
  return { ...base, outcome: "under-way", trouble: { reason, message, next } };
}

/** A run that went on instead of anything new of its release. */
export function resumedResult(run: RunResult): ReleaseResult {
  const { plan, outcome } = run.state;
  if (plan === undefined) throw new Error(`run ${run.run} went on without a plan`);
  const waiting = outcome === undefined ? waitingFor(run.run, run.state) : {};
  return { release: plan.release, plan, observations: new Map(), run, outcome: outcome ?? "waiting", ...waiting };
}

/** What a run that has not ended waits for; with the next command where only a person can give it. */
export function waitingFor(run: RunId, state: RunState): Pick<ReleaseResult, "trouble"> {
  const trouble = openTrouble({ run, state });
  if (trouble === undefined) return {};
  const { reason, message, next } = trouble;
  const forPerson = reason === "GateClosed" || reason === "DecisionNeeded";
  return { trouble: { ...trouble, message: forPerson ? `${message} (${next})` : message } };
}

export function runOpenTrouble(runs: readonly string[]): { reason: string; message: string } {
  const [first, ...more] = runs;
  const message = more.length === 0 ? `run ${first} has not ended` : `runs ${runs.join(", ")} have not ended`;
  return { reason: "RunOpen", message };
}

/** Without numbers and times, which `cutover status` shows: equal tries make equal statuses, published once. */
export function troubleOfBackOff({ outcome, reason }: BackOff): { reason: string; message: string } {
  return {
    reason: "backing-off",
    message: `this very plan ended ${outcome} (${reason}); it is tried again with growing pauses, or at once after: cutover retry --reason '…'`,
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
