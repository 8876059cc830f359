// Hosts of a batch that switched while others of it still drain, wait for their turn or are slow: each is confirmed by itself in
// time, or it would go back at its deadline (P8) though nothing is wrong with it. The batch's own confirmation is left the others.
// Not while one of the batch failed or does not answer: then the deadline is what it is there for, and nothing is decided (P9).
import type { Host } from "../model/fleet.ts";
import type { HostWork, Step } from "../model/plan.ts";
import { confirmOf } from "./decide.ts";
import { type HostStepContext, runHostStep } from "./run-host-step.ts";
import { placeOf, type RunState } from "./run-state.ts";

export interface EarlyConfirmInput {
  readonly context: HostStepContext;
  readonly step: Step;
  readonly stateNow: () => RunState;
  readonly hostOf: (name: string) => Host;
  /** So many are confirmed at once, beside those that switch: their turns may all be taken by hosts that drain. */
  readonly lanes: number;
}

export interface EarlyConfirms {
  /** This host has done its part of the step. */
  switched(host: string): void;
  /** The whole step is over: what is not under way is left to the batch's own confirmation. Rejects when the journal failed. */
  end(): Promise<void>;
}

const none: ReadonlySet<string> = new Set();

/** Does nothing but for a switch of several hosts, and there only for one that waits for others longer than half its trial. */
export function earlyConfirms({ context, step, stateNow, hostOf, lanes }: EarlyConfirmInput): EarlyConfirms {
  const confirm = step.work.length > 1 ? confirmOf(stateNow(), step) : undefined;
  const confirmations = new Map(confirm?.work.map((work) => [work.host, work]));
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const begun: Promise<unknown>[] = Array.from({ length: Math.max(1, Math.floor(lanes)) }, () => Promise.resolve());
  let turns = 0;
  const failures: unknown[] = [];
  let started: Promise<unknown> | undefined;
  const start = async ({ id }: Step): Promise<void> => {
    if (stateNow().startedSteps.has(id)) return;
    started ??= context.record({ kind: "step-started", step: id });
    await started;
  };
  const isInDoubt = () => {
    const { leftOut, notDone } = stateNow();
    const bad = notDone.get(step.id, none);
    // One that the run goes on without is decided.
    return step.work.some(({ host }) => !leftOut.has(host) && (bad.has(host) || context.silent.has(host)));
  };
  const confirmOne = async (work: HostWork, of: Step): Promise<void> => {
    if (signal.aborted || stateNow().hosts.has(placeOf(of.id, work.host))) return;
    await start(of);
    const host = hostOf(work.host);
    // P8: proof of contact over a new connection.
    await context.executor.close(host, context.fence.run);
    await runHostStep(context, of, work, host);
  };
  const watch = (name: string, waitMs: number, looks = 4): void => {
    const work = confirmations.get(name);
    if (confirm === undefined || work === undefined || looks === 0) return;
    // One that still sleeps when the step is over does nothing any more, and nobody waits for it.
    context.clock.sleep(waitMs, signal).then(
      () => {
        if (signal.aborted) return;
        if (isInDoubt()) watch(name, (trialSeconds(step, name) * 1_000) / 8, looks - 1);
        else {
          const lane = turns++ % begun.length;
          begun[lane] = (begun[lane] ?? Promise.resolve())
            .then(() => confirmOne(work, confirm))
            // What fails is told at the end, not while the others are at work.
            .catch((error: unknown) => failures.push(error));
        }
      },
      () => undefined,
    );
  };
  // Done before this controller took the run up: how long ago is not known.
  for (const { host } of step.work) if (stateNow().hosts.get(placeOf(step.id, host)) === "done") watch(host, 0);
  return {
    switched: (host) => watch(host, trialSeconds(step, host) * 500),
    async end() {
      stop.abort();
      await Promise.all(begun);
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** The shortest trial that this host began in the step. */
function trialSeconds({ work }: Step, host: string): number {
  const tasks = work.find((each) => each.host === host)?.groups.flat() ?? [];
  const deadlines = tasks.flatMap(({ kind, options }) => (kind === "switch" ? Number(options.deadline) : []));
  return Math.min(...deadlines);
}
