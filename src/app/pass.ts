// The parts of a pass: open runs are taken up, releases come up one after the other, and whatever was begun is finished when
// its run has ended, with its status in git. `reconcile` makes one whole pass of them, `serve` goes on with the next meanwhile.
import { CutoverError } from "../errors.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { RunId } from "../model/run-event.ts";
import { type Condition, stateOf } from "../model/status.ts";
import type { Lease } from "../ports.ts";
import { runStream } from "../run/replay.ts";
import { type ConsiderInput, considerRelease } from "./consider-release.ts";
import { recall } from "./controller-memory.ts";
import { isUndecided, keepQuarantines, type RunResult } from "./execute-run.ts";
import type { PassResult, ReleaseResult } from "./pass-result.ts";
import { publishStatus, type ReportedRelease } from "./publish-status.ts";
import { runSources } from "./release-context.ts";
import { resumedResult, runOpenTrouble, underWayResult } from "./release-trouble.ts";
import type { OpenRun, RunEnd } from "./run-pool.ts";
import { publishRunStatus } from "./run-status.ts";

export interface PassContext extends ConsiderInput {
  readonly lease: Lease;
  /** What the newest accepted commit asks for, once this process has read one. */
  readonly newest: { desired: Desired | undefined };
  /** Told of every run that has ended, once that is published, and what it came to. One that waits now has let nothing go. */
  readonly onFinished: (end: RunEndResult) => void;
}

type RunEndResult = Pick<ReleaseResult, "outcome" | "plan" | "run">;

interface Finished {
  readonly result: ReleaseResult;
  readonly notPublished: string | undefined;
}

/** What a pass began. Each promise publishes what it comes to; undefined is a run that was stopped for somebody else. */
export interface PassWork {
  readonly resumed: Promise<RunResult | undefined>[];
  readonly results: Promise<Finished | undefined>[];
}

export const noWork = (): PassWork => ({ resumed: [], results: [] });

/**
 * An open run goes on with its own plan and fleet, whatever git says by now, and also when git, the artifact repository or
 * other hosts cannot be reached. All of them go on side by side.
 */
export async function takeUpRuns(context: PassContext, work: PassWork): Promise<void> {
  const { controller, pool } = context;
  const { trust } = await recall(controller);
  for (const open of pool.open()) {
    const { run, state } = open;
    if (state === "under-way" || (await isLeftAlone(context, open))) continue;
    const { ended } = pool.resume(run, runSources({ controller, trust }));
    work.resumed.push(owned(ended.then((end) => finishResumed(context, end))));
  }
}

/** The same with single runs, of whichever documents: what each comes to is the result of its release. */
export async function goOnWith(
  context: PassContext,
  work: PassWork,
  { desired, runs }: { readonly desired: Desired; readonly runs: readonly RunId[] },
): Promise<void> {
  const { controller, pool } = context;
  const { trust } = await recall(controller);
  for (const run of runs) {
    const release = pool.open().find((open) => open.run === run)?.plan.release;
    const { ended } = pool.resume(run, runSources({ controller, trust }));
    if (desired.releases.some(({ name }) => name === release))
      work.results.push(owned(ended.then((end) => finishSingle(context, desired, end))));
    else work.resumed.push(owned(ended.then((end) => finishResumed(context, end))));
  }
}

/** An ended run is told of in terms of what it was made for; what documents that came since ask for is still to come. */
async function finishSingle(context: PassContext, desired: Desired, end: RunEnd): Promise<Finished | undefined> {
  if (end.kind === "stopped") return undefined;
  const { run, state } = end.result;
  if (state.outcome === undefined || state.generation === desired.generation)
    return finishDriven(context, desired, end, resumedResult);
  const { controller, lease, pool } = context;
  const notPublished = await pool.publishing(() => publishRunStatus({ controller, lease, run: end.result }));
  await controller.executor.close(undefined, run);
  const result = resumedResult(end.result);
  context.onFinished(result);
  return { result: state.outcome === "done" ? { ...result, state: newerDocuments } : result, notPublished };
}

const newerDocuments: Condition = {
  type: "Reconciling",
  status: "True",
  reason: "Pending",
  message: "what newer documents ask for is still to come",
};

/** It waits for a person, and nobody has said anything since, in it or of its hosts: taking it up again would only tell the journal so. */
async function isLeftAlone({ controller }: PassContext, { run, stands, sequence }: OpenRun): Promise<boolean> {
  if (stands === undefined || !isUndecided(stands, (await recall(controller)).holds)) return false;
  return (await controller.journal.newest(runStream(run)))?.sequence === sequence;
}

/**
 * Each release comes up in turn; runs that one starts go on while the next is planned. Tells whether a release has more to
 * do, or to say, once a run that is open now has ended.
 */
export async function beginReleases(
  context: PassContext,
  work: PassWork,
  { desired, due }: { readonly desired: Desired; readonly due: readonly DesiredRelease[] },
): Promise<boolean> {
  let isBlocked = false;
  for (const release of due) {
    context.signal.throwIfAborted();
    // A version that a run has shown to be bad meanwhile starts nothing else of its release (P16).
    for (const { run } of context.pool.open()) await keepQuarantines(context.controller, run);
    const considered = await considerRelease(context, desired, release);
    if (considered.kind === "settled") {
      isBlocked ||= considered.result.blockedBy !== undefined;
      work.results.push(owned(publishResult(context, desired, considered.result)));
      continue;
    }
    const { driven, complete } = considered;
    isBlocked ||= context.pool.open().some(({ run, plan }) => plan.release === release.name && run !== driven.run);
    work.results.push(owned(driven.ended.then((end) => finishDriven(context, desired, end, complete))));
  }
  return isBlocked;
}

async function finishDriven(
  context: PassContext,
  desired: Desired,
  end: RunEnd,
  complete: (run: RunResult) => ReleaseResult | Promise<ReleaseResult>,
): Promise<Finished | undefined> {
  if (end.kind === "stopped") return undefined;
  const finished = await publishResult(context, desired, await complete(end.result));
  await context.controller.executor.close(undefined, end.result.run);
  if (end.result.state.outcome !== undefined) context.onFinished(finished.result);
  return finished;
}

/** Resolves when everything that was begun has ended and is published. */
export async function finishPass(
  work: PassWork,
  { desired, warnings }: { readonly desired: Desired; readonly warnings: readonly Diagnostic[] },
): Promise<PassResult> {
  const [resumed, finished] = await Promise.all([allOf(work.resumed), allOf(work.results)]);
  const notPublished = finished.map((each) => each?.notPublished).find((reason) => reason !== undefined);
  return {
    commit: desired.commit,
    resumed: resumed.filter((run) => run !== undefined),
    warnings,
    results: finished.flatMap((each) => each?.result ?? []),
    ...(notPublished === undefined ? {} : { notPublished }),
  };
}

/** Waits for all of them, then rejects with what one of them rejected with: a lost lease first. */
export async function allOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const ends = await Promise.allSettled(work);
  const faults: readonly unknown[] = ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
  const worst = faults.find((error) => error instanceof CutoverError && error.code === "lease-lost") ?? faults[0];
  if (faults.length > 0) throw worst;
  return ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
}

async function finishResumed(context: PassContext, end: RunEnd): Promise<RunResult | undefined> {
  if (end.kind === "stopped") return undefined;
  const { controller, lease, pool, newest } = context;
  const inForce = newest.desired;
  const { run, state } = end.result;
  const open = pool.open().find((each) => each.run === run);
  const wanted = inForce?.releases.some(({ name }) => name === state.plan?.release);
  // One that still waits is told of in terms of what git asks for by now; an ended one in terms of what it was made for.
  if (state.outcome === undefined && open !== undefined && inForce !== undefined && wanted)
    await publishResult(context, inForce, underWayResult(open));
  else await pool.publishing(() => publishRunStatus({ controller, lease, run: end.result }));
  await controller.executor.close(undefined, run);
  const { plan, outcome } = state;
  if (plan !== undefined && outcome !== undefined) context.onFinished({ plan, outcome, run: end.result });
  return end.result;
}

/** A release whose run is under way says nothing new; its status is written when the run has ended. */
async function publishResult(context: PassContext, desired: Desired, result: ReleaseResult): Promise<Finished> {
  const { controller, lease, pool } = context;
  const reported = reportedAs(context, result);
  if (reported === undefined) return { result, notPublished: undefined };
  return pool.publishing(async () => {
    const { statuses, notPublished } = await publishStatus({ controller, lease, desired, results: [reported] });
    const status = statuses.get(result.release);
    return { result: status === undefined ? result : { ...result, state: stateOf(status) }, notPublished };
  });
}

/** What went well is not all of the release while another run of it is open. */
function reportedAs({ pool }: PassContext, result: ReleaseResult): ReportedRelease | undefined {
  const { outcome } = result;
  if (outcome === "under-way") return undefined;
  const others = pool.open().filter(({ plan, run }) => plan.release === result.release && run !== result.run?.run);
  if (others.length === 0 || (outcome !== "done" && outcome !== "in-sync")) return { ...result, outcome };
  return { ...result, outcome: "waiting", trouble: runOpenTrouble(others.map(({ run }) => run)) };
}

/** Somebody awaits it later; until then its failure must not end the process. */
function owned<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
