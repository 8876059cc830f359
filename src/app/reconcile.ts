// One pass of the loop: fetch, verify, observe, plan, run, report. Safe to repeat at any time; a pass that finds nothing to do
// writes nothing to any host (R5). Runs whose claims do not meet go on side by side; the pass ends with the last of them.
import type { Desired } from "../model/desired.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { RunId } from "../model/run-event.ts";
import type { SliceTerm } from "../plan/parse-slice.ts";
import type { Lease } from "../ports.ts";
import { acceptCommit } from "./accept-commit.ts";
import type { KnownTrailers } from "./approval.ts";
import type { FirstRetry } from "./back-off.ts";
import type { Controller } from "./controller.ts";
import { sliceTerms } from "./cut-slice.ts";
import { keepNewestQuarantines, type RunResult, type RunWatcher } from "./execute-run.ts";
import { beginReleases, finishPass, goOnWith, noWork, type PassContext, type PassWork, takeUpRuns } from "./pass.ts";
import { isAtStone, type PassResult, type ReleaseResult } from "./pass-result.ts";
import { behindResult } from "./release-trouble.ts";
import { type OpenRun, openRunPool } from "./run-pool.ts";
import { type SliceStart, startSlice } from "./slice-beside-runs.ts";
import { standingRuns } from "./standing-runs.ts";

export interface PassInput {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly watcher: RunWatcher;
  readonly signal: AbortSignal;
  /** `at-once` unless said otherwise. */
  readonly firstRetry?: FirstRetry;
  /** `one-task`: each run goes one task further. */
  readonly pace?: "run" | "one-task";
  /** What approvals were looked up before, by a process that makes many passes. */
  readonly knownTrailers?: KnownTrailers;
  /** Only these parts of plans, as typed: of the runs that are open only that of this very part goes on. */
  readonly slices?: readonly string[];
}

/** One pass goes on from stone to stone as long as each is reached, and no further than this: the next pass does. */
const mostStones = 16;

/**
 * Finishes what an earlier controller left open, and makes the world look like the newest trusted commit. Open runs go on to
 * their end also when git cannot be reached; it rejects then.
 */
export async function reconcile(input: PassInput): Promise<PassResult> {
  await keepNewestQuarantines(input.controller);
  const pool = await openRunPool(input);
  const { firstRetry = "at-once", knownTrailers } = input;
  const newest = { desired: undefined };
  const context: PassContext = { ...input, firstRetry, knownTrailers, pool, newest, onFinished() {} };
  const work = noWork();
  const slices = input.slices ?? [];
  if (slices.length === 0) await takeUpRuns(context, work);
  try {
    const { desired, warnings } = await acceptCommit(input.controller);
    return await allRounds(context, work, { ...input, desired, warnings });
  } finally {
    await Promise.allSettled([...work.resumed, ...work.results]);
  }
}

type RoundsInput = Pick<PassInput, "slices" | "pace"> & {
  readonly desired: Desired;
  readonly warnings: readonly Diagnostic[];
};

/** What had to wait for a run comes up again when that run has ended, and a run that paused for another one goes on. */
export async function allRounds(
  passing: PassContext,
  begun: PassWork,
  { desired, warnings, slices = [], pace }: RoundsInput,
): Promise<PassResult> {
  const terms = sliceTerms(slices, desired);
  const context: PassContext = { ...passing, terms };
  context.newest.desired = desired;
  const results = new Map<string, ReleaseResult>();
  const sliced = terms.length === 0 ? undefined : await beginSlice(context, begun, { desired, terms });
  for (const run of sliced?.behind ?? []) results.set(run.plan.release, behindResult(run));
  let due = sliced?.due ?? desired.releases;
  const { resumed } = begun;
  // Whoever asked for one task, or for a part, asked for no more.
  const freedNow = () =>
    pace === "one-task" || terms.length > 0 ? [] : context.pool.open().filter(({ isFreed }) => isFreed);
  let freed: readonly OpenRun[] = [];
  const again = new Map<RunId, RunResult>();
  // Every further round follows the end of a run that was open, or of one that a release of the round before has started.
  const mostRounds = desired.releases.length + resumed.length + 2 + mostStones;
  for (let round = 1; ; round += 1) {
    const work: PassWork = { resumed, results: round === 1 ? begun.results : [] };
    await goOnWith(context, work, { desired, runs: freed.map(({ run }) => run) });
    await beginReleases(context, work, { desired, due }).finally(() => Promise.allSettled(work.results));
    const pass = await finishPass(work, { desired, warnings });
    for (const result of pass.results) {
      results.set(result.release, withBefore(results.get(result.release), result));
      if (result.run !== undefined && freed.some(({ run }) => run === result.run?.run)) again.set(result.run.run, result.run); // biome-ignore format: one line
    }
    const open = new Set(context.pool.open().map(({ run }) => run));
    const wentOn = releasesOf(freed);
    const free = new Set(pass.results.flatMap((result) => (isFree(result, { open, desired }) ? result.release : [])));
    freed = freedNow();
    const goOn = releasesOf(freed);
    due = desired.releases.filter(({ name }) => !goOn.has(name) && (free.has(name) || wentOn.has(name)));
    if ((due.length === 0 && freed.length === 0) || round === mostRounds)
      return {
        ...pass,
        resumed: [...new Map(pass.resumed.map((run) => [run.run, again.get(run.run) ?? run])).values()],
        results: desired.releases.flatMap(({ name }) => results.get(name) ?? []),
      };
  }
}

/** Goes on with the runs of this very part, and tells which releases come up for it. Throws `run-open`. */
async function beginSlice(
  context: PassContext,
  work: PassWork,
  { desired, terms }: { readonly desired: Desired; readonly terms: readonly SliceTerm[] },
): Promise<SliceStart> {
  const open = await standingRuns(context.controller.journal);
  const start = startSlice({ desired, terms, open });
  await goOnWith(context, work, { desired, runs: start.goOn.map(({ run }) => run) });
  return start;
}

function releasesOf(runs: readonly OpenRun[]): ReadonlySet<string> {
  return new Set(runs.map(({ plan }) => plan.release));
}

/**
 * Nothing is driven any more: what was under way is to be looked at again, and so is what waited for a run that is over or went
 * on beside it, and what reached a stepping stone.
 */
function isFree(
  result: ReleaseResult,
  { open, desired }: { readonly open: ReadonlySet<string>; readonly desired: Desired },
): boolean {
  const { outcome, blockedBy = [], run } = result;
  // A run of earlier documents goes on alone: nobody asked for a part of the newer ones.
  const isOfThese = run?.state.generation === desired.generation;
  const wasBeside = outcome === "done" && isOfThese && result.plan.held.some(({ reason }) => reason === "claimed");
  return outcome === "under-way" || wasBeside || blockedBy.some((run) => !open.has(run)) || isAtStone(result);
}

/** What a release did stays what is said of it, when the next look finds nothing more to do. */
function withBefore(before: ReleaseResult | undefined, result: ReleaseResult): ReleaseResult {
  if (before?.outcome !== "done" || result.outcome !== "in-sync") return result;
  const { state } = result;
  return { ...before, plan: result.plan, ...(state === undefined ? {} : { state }) };
}
