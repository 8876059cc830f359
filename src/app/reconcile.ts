// One pass of the loop: fetch, verify, observe, plan, run, report. Safe to repeat at any time; a pass that finds
// nothing to do writes nothing to any host (R5).
import type { Desired, DesiredRelease } from "../model/desired.ts";
import { stateOf } from "../model/status.ts";
import type { Lease } from "../ports.ts";
import { openRuns } from "../run/replay.ts";
import { acceptCommit } from "./accept-commit.ts";
import { approvalMessage, judgeApproval, type KnownTrailers, keepApproval } from "./approval.ts";
import { backOffOf, type FirstRetry } from "./back-off.ts";
import type { Controller } from "./controller.ts";
import { recall } from "./controller-memory.ts";
import { keepQuarantines, type RunResult, type RunWatcher, resumeRun, startRun } from "./execute-run.ts";
import type { PassResult, ReleaseResult } from "./pass-result.ts";
import { publishStatus } from "./publish-status.ts";
import { contextForRelease, planRelease, runSources } from "./release-context.ts";
import { failedResult, isReleaseFailure, troubleOfBackOff, waitingResult } from "./release-trouble.ts";
import { publishRunStatus } from "./run-status.ts";

export interface PassInput {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly watcher: RunWatcher;
  readonly signal: AbortSignal;
  /** `at-once` unless said otherwise. */
  readonly firstRetry?: FirstRetry;
  /** What approvals were looked up before, by a process that makes many passes. */
  readonly knownTrailers?: KnownTrailers;
}

/** Finishes what an earlier controller left open, then makes the world look like the newest trusted commit. */
export async function reconcile(input: PassInput): Promise<PassResult> {
  const { controller, lease } = input;
  const lastRun = (await controller.journal.streams("run/")).at(-1)?.slice("run/".length);
  if (lastRun !== undefined) await keepQuarantines(controller, lastRun);
  const resumed = await resumeOpenRuns(input);
  const { desired, warnings } = await acceptCommit(controller);
  const stuck = resumed.find(({ state }) => state.outcome === undefined);
  const results = stuck ? describeWaiting(desired, stuck) : await reconcileReleases(input, desired);
  // Nothing else reports a release that git does not have any more.
  const orphan = stuck && !results.some(({ run }) => run === stuck);
  if (orphan) await publishRunStatus({ controller, lease, run: stuck });
  const { statuses, notPublished } = await publishStatus({ controller, lease, desired, results });
  return {
    commit: desired.commit,
    resumed,
    warnings,
    results: results.map((result) => {
      const status = statuses.get(result.release);
      return status === undefined ? result : { ...result, state: stateOf(status) };
    }),
    ...(notPublished === undefined ? {} : { notPublished }),
  };
}

/**
 * An open run goes on with its own plan and fleet, whatever git says by now, and also when git, the artifact repository or
 * other hosts cannot be reached.
 */
async function resumeOpenRuns(input: PassInput): Promise<RunResult[]> {
  const { controller, lease } = input;
  const { trust } = await recall(controller);
  const results: RunResult[] = [];
  for (const run of await openRuns(controller.journal)) {
    const result = await resumeRun({ ...input, sources: runSources({ controller, trust }) }, run);
    results.push(result);
    if (result.state.outcome !== undefined) await publishRunStatus({ controller, lease, run: result });
  }
  return results;
}

/** A run that waits for unknown hosts keeps everything else from starting. */
async function reconcileReleases(input: PassInput, desired: Desired): Promise<ReleaseResult[]> {
  const results: ReleaseResult[] = [];
  for (const [index, release] of desired.releases.entries()) {
    input.signal.throwIfAborted();
    const result = await reconcileRelease(input, desired, release);
    results.push(result);
    if (result.run === undefined || result.outcome !== "waiting") continue;
    const { run } = result.run;
    return [...results, ...desired.releases.slice(index + 1).map(({ name }) => waitingResult(name, run, release.name))];
  }
  return results;
}

async function reconcileRelease(input: PassInput, desired: Desired, release: DesiredRelease): Promise<ReleaseResult> {
  const { controller, firstRetry = "at-once" } = input;
  const { commit, generation, hosts: fleet } = desired;
  const { trust } = await recall(controller);
  let planned: Pick<ReleaseResult, "release" | "plan" | "observations">;
  let context: Awaited<ReturnType<typeof contextForRelease>>;
  try {
    context = await contextForRelease({ controller, trust, release, hosts: fleet, commit });
    const plan = await planRelease(controller, { context, release, desired });
    planned = { release: release.name, plan, observations: context.observations };
  } catch (error) {
    if (input.signal.aborted || !isReleaseFailure(error)) throw error;
    return failedResult(release.name, error);
  }
  const { plan } = planned;
  if (plan.changes.length === 0)
    return { ...planned, run: undefined, outcome: plan.held.length > 0 ? "stalled" : "in-sync" };
  const known = input.knownTrailers === undefined ? {} : { known: input.knownTrailers };
  const { versions } = context;
  const approval = await judgeApproval(controller, { release, plan, desired, versions, trust, ...known });
  if (approval.kind === "stalled") {
    const { reason, next } = approval;
    const trouble = { reason, message: approvalMessage(approval), next };
    return { ...planned, run: undefined, outcome: "stalled", trouble };
  }
  await keepApproval(controller, approval);
  const tries = { plan, firstRetry };
  const before = await backOffOf(controller, tries);
  if (before !== undefined && controller.clock.now() < before.nextTryAt)
    return { ...planned, run: undefined, outcome: "stalled", backOff: before, trouble: troubleOfBackOff(before) };
  const sources = runSources({ controller, trust }, context);
  const run = await startRun({ ...input, sources }, { plan, commit, generation, fleet });
  const after = await backOffOf(controller, tries);
  // Only this run's own end counts: one that quarantined a version is held by that, not by a pause.
  const failed = after?.run === run.run ? after : undefined;
  return {
    ...planned,
    run,
    outcome: run.state.outcome ?? "waiting",
    ...(failed === undefined ? {} : { backOff: failed, trouble: troubleOfBackOff(failed) }),
  };
}

function describeWaiting(desired: Desired, stuck: RunResult): ReleaseResult[] {
  const plan = stuck.state.plan;
  if (plan === undefined) return [];
  return desired.releases.map(({ name }) =>
    name === plan.release
      ? { release: name, plan, run: stuck, observations: new Map(), outcome: "waiting" }
      : waitingResult(name, stuck.run, plan.release),
  );
}
