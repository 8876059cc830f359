// The loop: a hint (push, poll, webhook, cron) leads to one pass; hints during a pass lead to one more.
import { CutoverError } from "../errors.ts";
import type { Lease, LogPort, Trigger } from "../ports.ts";
import type { KnownTrailers } from "./approval.ts";
import { type Controller, withLease } from "./controller.ts";
import { remember } from "./controller-memory.ts";
import type { RunWatcher } from "./execute-run.ts";
import type { PassResult } from "./pass-result.ts";
import { reconcile } from "./reconcile.ts";
import { rollBackRelease } from "./roll-back.ts";
import { openRequests, watchRequests } from "./rollback-requests.ts";

export interface ServeInput {
  readonly controller: Controller;
  readonly triggers: readonly Trigger[];
  readonly log: LogPort;
  readonly watcher: RunWatcher;
  readonly takeOver: boolean;
  readonly signal: AbortSignal;
  readonly onPass: (pass: PassReport) => void;
}
export type PassReport =
  | { readonly kind: "passed"; readonly result: PassResult; readonly durationMs: number }
  | { readonly kind: "failed"; readonly error: CutoverError; readonly durationMs: number };

/** After an error that may go away by itself, the next try comes after this, doubled each time up to the longest. */
const firstRetryMs = 5_000;
const longestRetryMs = 5 * 60_000;

/** Holds the lease and reconciles until the signal. Rejects when the lease is held by another, or lost. */
export async function serve(input: ServeInput): Promise<void> {
  const { controller, signal, takeOver } = input;
  const onTrouble = (doing: string, error: unknown) => input.log.warn(`lease-${doing}-failed`, describe(error));
  await withLease(controller, { takeOver, signal, onTrouble }, async (lease, running) => {
    const hints = makeHints();
    const knownTrailers: KnownTrailers = new Map();
    const stops = await startAll(input.triggers, hints.give);
    const over = new AbortController();
    let pass = new AbortController();
    const requests = watchRequests(controller, AbortSignal.any([running, over.signal]), () => {
      pass.abort(new Error("an operator asked for a rollback"));
      hints.give("rollback");
    });
    try {
      hints.give("started");
      let retryMs = firstRetryMs;
      while (!running.aborted) {
        const reason = await hints.taken(running);
        if (reason === undefined) break;
        await answerRequests({ ...input, signal: running }, lease);
        pass = new AbortController();
        const report = await onePass(
          { ...input, signal: running },
          { lease, reason, knownTrailers, interrupt: pass.signal },
        );
        if (report === undefined) continue;
        const retry = report.kind === "failed" ? report.error.disposition !== "stall" : isWaiting(report.result);
        if (retry) hints.giveLater(`again after ${retryMs / 1_000} s`, retryMs);
        retryMs = retry ? Math.min(retryMs * 2, longestRetryMs) : firstRetryMs;
      }
    } finally {
      over.abort();
      await requests;
      hints.stop();
      await Promise.all(stops.map((stop) => stop()));
      await controller.executor.close();
    }
    if (!signal.aborted) running.throwIfAborted();
  });
}

/** All of them or none: when one does not start, those that did are stopped again. */
async function startAll(
  triggers: readonly Trigger[],
  onHint: (reason: string) => void,
): Promise<readonly (() => Promise<void>)[]> {
  const started = await Promise.allSettled(triggers.map((trigger) => trigger(onHint)));
  const stops = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const failed = started.find((each) => each.status === "rejected");
  if (failed === undefined) return stops;
  await Promise.allSettled(stops.map((stop) => stop()));
  throw failed.reason;
}

function describe(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof CutoverError)) return { message: String(error) };
  return { code: error.code, message: error.message, evidence: error.evidence };
}

function isWaiting(result: PassResult): boolean {
  return (
    result.notPublished !== undefined ||
    result.resumed.some(({ state }) => state.outcome !== "done") ||
    result.results.some(({ outcome }) => outcome === "waiting" || outcome === "stalled")
  );
}

/** Goes back where an operator asked for it, before anything new is done; every request gets an answer. */
async function answerRequests(input: ServeInput, lease: Lease): Promise<void> {
  const { controller, watcher, signal, log } = input;
  for (const { sequence: request, release, by, reason } of await openRequests(controller)) {
    log.info("rollback-requested", { release, by, reason });
    // The interrupted pass may still have sessions in use; the way back starts with its own.
    await controller.executor.close();
    const answer = await rollBackRelease({ controller, lease, release, by, reason, watcher, signal }).then(
      ({ run, state }) => ({ run, outcome: state.outcome ?? ("waiting" as const), message: state.reason }),
      (error: unknown) => {
        if (signal.aborted || !(error instanceof CutoverError) || error.code === "lease-lost") throw error;
        const message = [error.message, error.evidence].filter(Boolean).join(": ");
        return { run: undefined, outcome: "refused" as const, message };
      },
    );
    await remember(controller, { kind: "rollback-answered", request, ...answer });
    log.info("rollback-answered", answer);
  }
}

interface PassRequest {
  readonly lease: Lease;
  readonly reason: string;
  readonly knownTrailers: KnownTrailers;
  /** Ends the pass early, and leaves its run open. */
  readonly interrupt: AbortSignal;
}

/** Undefined when the pass was interrupted. */
async function onePass(
  input: ServeInput,
  { lease, reason, knownTrailers, interrupt }: PassRequest,
): Promise<PassReport | undefined> {
  const { controller, log, onPass } = input;
  const started = controller.clock.now();
  const elapsed = () => controller.clock.now() - started;
  log.info("pass-started", { reason });
  let report: PassReport;
  try {
    const { watcher } = input;
    const signal = AbortSignal.any([input.signal, interrupt]);
    const result = await reconcile({ controller, lease, watcher, signal, knownTrailers, firstRetry: "after-a-pause" });
    report = { kind: "passed", result, durationMs: elapsed() };
    log.info("pass-ended", {
      commit: result.commit,
      outcomes: result.results.map(({ release, outcome }) => ({ release, outcome })),
      ms: report.durationMs,
    });
  } catch (error) {
    if (interrupt.aborted && !input.signal.aborted) return undefined;
    if (input.signal.aborted || !(error instanceof CutoverError) || error.code === "lease-lost") throw error;
    report = { kind: "failed", error, durationMs: elapsed() };
    log.error("pass-failed", {
      code: error.code,
      message: error.message,
      evidence: error.evidence,
      remedy: error.remedy,
    });
  }
  onPass(report);
  return report;
}

/** Many hints become one; `taken` waits for the next, undefined when aborted. */
function makeHints() {
  let pending: string | undefined;
  let wake = () => {};
  let timer: NodeJS.Timeout | undefined;
  const give = (reason: string) => {
    pending ??= reason;
    wake();
  };
  return {
    give,
    giveLater(reason: string, ms: number) {
      clearTimeout(timer);
      timer = setTimeout(() => give(reason), ms);
    },
    stop: () => clearTimeout(timer),
    async taken(signal: AbortSignal): Promise<string | undefined> {
      while (pending === undefined && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
      const reason = signal.aborted ? undefined : pending;
      pending = undefined;
      return reason;
    },
  };
}
