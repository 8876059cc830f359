// The loop: a hint (push, poll, webhook, cron) leads to one pass; hints during a pass lead to one more. A pass plans and starts;
// its runs go on beside the next ones, so that what is pushed meanwhile joins in where nothing is in its way (R33).
import { CutoverError } from "../errors.ts";
import type { LogPort, Trigger } from "../ports.ts";
import { answerRequests } from "./answer-requests.ts";
import { type Controller, withLease } from "./controller.ts";
import { keepNewestQuarantines, type RunWatcher } from "./execute-run.ts";
import { makeHints } from "./hints.ts";
import { ownTasks } from "./own-tasks.ts";
import { watchRequests } from "./rollback-requests.ts";
import { openRunPool } from "./run-pool.ts";
import { makePasses, type PassReport } from "./serve-passes.ts";
import { watchDecisions } from "./watch-decisions.ts";

export interface ServeInput {
  readonly controller: Controller;
  readonly triggers: readonly Trigger[];
  readonly log: LogPort;
  readonly watcher: RunWatcher;
  readonly takeOver: boolean;
  readonly signal: AbortSignal;
  readonly onPass: (pass: PassReport) => void;
}
/** Holds the lease and reconciles until the signal. Rejects when the lease is held by another, or lost. */
export async function serve(input: ServeInput): Promise<void> {
  const { controller, signal, takeOver } = input;
  const onTrouble = (doing: string, error: unknown) => input.log.warn(`lease-${doing}-failed`, describe(error));
  await withLease(controller, { takeOver, signal, onTrouble }, async (lease, held) => {
    const tasks = ownTasks();
    const running = AbortSignal.any([held, tasks.fault]);
    const hints = makeHints();
    await keepNewestQuarantines(controller);
    const pool = await openRunPool({ ...input, lease, signal: running, pace: "as-left" });
    const stops = await startAll(input.triggers, hints.give);
    const over = new AbortController();
    let pass = new AbortController();
    const passes = makePasses({ ...input, lease, pool, tasks, hints, signal: running });
    const onAnswered = () => passes.runEnded();
    const answers = answerRequests({ ...input, lease, pool, tasks, onAnswered, signal: running });
    const requests = watchRequests(controller, AbortSignal.any([running, over.signal]), (open) => {
      if (!answers.isNew(open)) return;
      pass.abort(new Error("an operator asked for a rollback"));
      hints.give("rollback");
    });
    const decisions = watchDecisions({
      ...{ controller, pool, signal: AbortSignal.any([running, over.signal]) },
      onDecision: () => hints.give("somebody decided"),
      onFreed: () => hints.give("the failure budget is free again"),
    });
    try {
      hints.give("started");
      while (!running.aborted) {
        const reason = await hints.taken(running);
        if (reason === undefined) break;
        await answers.begin();
        pass = new AbortController();
        await passes.begin(reason, pass.signal);
      }
    } finally {
      over.abort();
      await Promise.all([requests, decisions]);
      hints.stop();
      await Promise.all(stops.map((stop) => stop()));
      // By then the signal is given, or something threw: either way nothing may go on without an owner.
      tasks.end();
      await pool.idle();
      await tasks.idle();
      await controller.executor.close();
    }
    if (signal.aborted) return;
    held.throwIfAborted();
    tasks.fault.throwIfAborted();
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
