// The passes of `serve`: each plans what no open run holds and starts it. It is reported when all that it began has ended; the
// next ones do not wait for that.
import { CutoverError } from "../errors.ts";
import type { Lease, LogPort } from "../ports.ts";
import { acceptCommit } from "./accept-commit.ts";
import type { Controller } from "./controller.ts";
import type { Hints } from "./hints.ts";
import type { OwnTasks } from "./own-tasks.ts";
import { allOf, beginReleases, finishPass, noWork, type PassContext, type PassWork, takeUpRuns } from "./pass.ts";
import { isAtStone, type PassResult, type ReleaseResult } from "./pass-result.ts";
import type { RunPool } from "./run-pool.ts";

export type PassReport =
  | { readonly kind: "passed"; readonly result: PassResult; readonly durationMs: number }
  | { readonly kind: "failed"; readonly error: CutoverError; readonly durationMs: number };

export interface PassesInput {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly pool: RunPool;
  readonly tasks: OwnTasks;
  readonly hints: Hints;
  readonly log: LogPort;
  readonly onPass: (pass: PassReport) => void;
  readonly signal: AbortSignal;
}

/** After an error that may go away by itself, the next try comes after this, doubled each time up to the longest. */
const firstRetryMs = 5_000;
const longestRetryMs = 5 * 60_000;

export function makePasses({ controller, lease, pool, tasks, hints, log, onPass, signal }: PassesInput) {
  let retryMs = firstRetryMs;
  let runsFinished = 0;
  let isSomebodyBlocked = false;
  const runEnded = () => {
    runsFinished += 1;
    if (isSomebodyBlocked) hints.give("a run has ended");
    isSomebodyBlocked = false;
  };
  const shared: PassContext = {
    ...{ controller, lease, pool, signal },
    firstRetry: "after-a-pause",
    knownTrailers: new Map(),
    newest: { desired: undefined },
    onFinished(end) {
      if (isAtStone(end)) hints.give("a stepping stone is reached");
      runEnded();
    },
  };
  const retryLater = (needed: boolean) => {
    if (needed) hints.giveLater(`again after ${retryMs / 1_000} s`, retryMs);
    retryMs = needed ? Math.min(retryMs * 2, longestRetryMs) : firstRetryMs;
  };
  const isFatal = (error: unknown): error is unknown =>
    signal.aborted || !(error instanceof CutoverError) || error.code === "lease-lost";
  const tell = (report: PassReport) => {
    if (report.kind === "passed") {
      const { commit, results } = report.result;
      const outcomes = results.map(({ release, outcome }) => ({ release, outcome }));
      log.info("pass-ended", { commit, outcomes, ms: report.durationMs });
    } else {
      const { code, message, evidence, remedy } = report.error;
      log.error("pass-failed", { code, message, evidence, remedy });
    }
    onPass(report);
  };

  return {
    /** A run that no pass has begun has ended, such as a way back. */
    runEnded,
    /** Comes back when all releases have come up; `interrupt` ends that early, and what was begun goes on. */
    async begin(reason: string, interrupt: AbortSignal): Promise<void> {
      const started = controller.clock.now();
      const elapsed = () => controller.clock.now() - started;
      const failed = (error: unknown): void => {
        if (isFatal(error)) throw error;
        tell({ kind: "failed", error: error as CutoverError, durationMs: elapsed() });
        retryLater((error as CutoverError).disposition !== "stall");
      };
      log.info("pass-started", { reason });
      const context: PassContext = { ...shared, signal: AbortSignal.any([signal, interrupt]) };
      const work = noWork();
      const finishedBefore = runsFinished;
      try {
        await takeUpRuns(context, work);
        const { desired, warnings } = await acceptCommit(controller);
        shared.newest.desired = desired;
        const isBlocked = await beginReleases(context, work, { desired, due: desired.releases });
        isSomebodyBlocked ||= isBlocked;
        // The run that somebody waits for may have ended while others were planned.
        if (isSomebodyBlocked && runsFinished > finishedBefore) hints.give("a run has ended");
        const ended = finishPass(work, { desired, warnings }).then((result) => {
          tell({ kind: "passed", result, durationMs: elapsed() });
          retryLater(isWaiting(result));
        });
        tasks.own(ended.catch(failed));
      } catch (error) {
        tasks.own(allEnded(work).catch(failed));
        if (interrupt.aborted && !signal.aborted) return;
        failed(error);
      }
    },
  };
}

async function allEnded({ resumed, results }: PassWork): Promise<void> {
  await allOf<unknown>([...resumed, ...results]);
}

/** Something that time may change. What waits for a run that is driven just now comes up again with its end. */
function isWaiting({ notPublished, resumed, results }: PassResult): boolean {
  return (
    notPublished !== undefined ||
    resumed.some(({ state }) => state.outcome !== "done") ||
    results.some(isReleaseWaiting)
  );
}

function isReleaseWaiting({ outcome, run, blockedBy }: ReleaseResult): boolean {
  return outcome === "stalled" || (outcome === "waiting" && (run !== undefined || blockedBy === undefined));
}
