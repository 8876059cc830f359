// Hosts of a batch that switched while others of it still drain, wait for their turn or are slow: each is confirmed by itself in
// time, or it would go back at its deadline (P8) though nothing is wrong with it. The batch's own confirmation is left the others.
// Not while one of the batch failed or does not answer: then the deadline is what it is there for, and nothing is decided (P9).
import type { Host } from "../model/fleet.ts";
import type { HostWork, Step } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import { confirmOf } from "./hold.ts";
import { inLanes } from "./in-lanes.ts";
import { type HostStepContext, runHostStep } from "./run-host-step.ts";
import { isDoneOn, notDoneOf, placeOf, type RunState } from "./run-state.ts";
import { isUnreadOn } from "./unread.ts";

export interface EarlyConfirmInput {
  readonly context: HostStepContext;
  readonly step: Step;
  readonly stateNow: () => RunState;
  readonly hostOf: (name: string) => Host;
  /** So many are confirmed at once, beside those that switch: their turns may all be taken by hosts that drain. */
  readonly lanes: number;
}

export interface EarlyConfirms {
  /** Told of everything that is recorded of hosts in this step: a trial begins before its host has done all of the step. */
  hears(event: EventBody): void;
  /** This host has done its part of the step. */
  switched(host: string): void;
  /**
   * All hosts have done their part: nothing more is begun, and the batch's own confirmation has the rest. While one that is under
   * way hangs, the trials of the others run on: until it is over they are confirmed here. Rejects with the first failure (of the
   * journal, or the lease is lost), or when aborted.
   */
  end(): Promise<void>;
}

/** A trial is looked at when half of it is over, then in eighths of it until its end. */
const looksATrial = 8;

/** Does nothing but for a switch of several hosts, and there only for one that waits for others longer than half its trial. */
export function earlyConfirms({ context, step, stateNow, hostOf, lanes }: EarlyConfirmInput): EarlyConfirms {
  const { clock } = context;
  const confirm = step.work.length > 1 ? confirmOf(stateNow(), step) : undefined;
  const confirmations = new Map(confirm?.work.map((work) => [work.host, work]));
  const trials = new Map(step.work.map((work) => [work.host, shortestTrialMs(work)]));
  const switches = new Set(
    step.work.flatMap(({ groups }) =>
      groups
        .flat()
        .filter(isSwitch)
        .map(({ id }) => id),
    ),
  );
  const handedOverBefore = new Set(
    step.work.map(({ host }) => host).filter((host) => stateNow().submitted.has(placeOf(step.id, host))),
  );
  const begunAt = new Map<string, number>();
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const running = inLanes(lanes);
  const failures: unknown[] = [];
  let started: Promise<unknown> | undefined;
  const start = async ({ id }: Step): Promise<void> => {
    if (stateNow().startedSteps.has(id)) return;
    started ??= context.record({ kind: "step-started", step: id });
    await started;
  };
  const isInDoubt = ({ id }: Step): boolean => {
    const now = stateNow();
    const { leftOut, hosts } = now;
    // One that the run goes on without is decided.
    const counts = (host: string) => trials.has(host) && !leftOut.has(host);
    const failed = (host: string) => counts(host) && hosts.get(placeOf(id, host)) === "failed";
    // That one which has switched is silent while it is confirmed holds up no other, as in the batch's own confirmation.
    const isLost = (host: string) => counts(host) && !isDoneOn(now, step.id, host);
    return notDoneOf(now, step.id).some(counts) || notDoneOf(now, id).some(failed) || [...context.silent].some(isLost);
  };
  /** What fails is told at the end, not while the others are at work. One that is only woken from its sleep by the end has not failed. */
  const fail = (error: unknown): true => {
    if (!signal.aborted) failures.push(error);
    stop.abort();
    return true;
  };
  /** False when it became doubtful before its turn. */
  const confirmOne = async (work: HostWork, of: Step): Promise<boolean> => {
    if (signal.aborted || stateNow().hosts.has(placeOf(of.id, work.host))) return true;
    if (isInDoubt(of) || isUnreadOn(stateNow(), work.host)) return false;
    await start(of);
    const host = hostOf(work.host);
    // P8: proof of contact over a new connection.
    await context.executor.close(host, context.fence.run);
    await runHostStep(context, of, work, host);
    return true;
  };
  const watch = async (name: string, { waitMs, looks }: { waitMs: number; looks: number }): Promise<void> => {
    const work = confirmations.get(name);
    const trialMs = trials.get(name);
    if (confirm === undefined || work === undefined || trialMs === undefined) return;
    await clock.sleep(waitMs, signal);
    for (let left = looks; left > 0; left--) {
      if (!isInDoubt(confirm) && (await running.run(() => confirmOne(work, confirm).catch(fail)))) return;
      await clock.sleep(trialMs / looksATrial, signal);
    }
  };
  const begin = (name: string, when: { waitMs: number; looks: number }): void => {
    watch(name, when).catch(fail);
  };
  const atOnce = { waitMs: 0, looks: looksATrial };
  for (const { host } of step.work) if (isDoneOn(stateNow(), step.id, host)) begin(host, atOnce);
  return {
    hears(body) {
      if (body.kind !== "task" || body.step !== step.id) return;
      const { task, action, state, durationMs } = body.event;
      if (action !== "do" || !switches.has(task)) return;
      const at = clock.now() - (state === "running" ? 0 : durationMs);
      begunAt.set(body.host, Math.min(at, begunAt.get(body.host) ?? at));
    },
    switched(host) {
      // By another controller, or in an earlier try: how long ago its trial began is not known.
      const now = clock.now();
      const goneMs = Math.max(0, now - (begunAt.get(host) ?? now));
      const waitMs = Math.max(0, (trials.get(host) ?? 0) / 2 - goneMs);
      begin(host, handedOverBefore.has(host) ? atOnce : { waitMs, looks: looksATrial / 2 });
    },
    async end() {
      await running.idle(context.signal);
      stop.abort();
      if (failures.length > 0) throw failures[0];
    },
  };
}

function isSwitch({ kind, action }: Task): boolean {
  return kind === "switch" && action === "do";
}

/** Of the trials that this host begins in the step; undefined when it begins none. */
function shortestTrialMs({ groups }: HostWork): number | undefined {
  const trials = groups.flat().flatMap((task) => (isSwitch(task) ? Number(task.options.deadline) : []));
  return trials.length === 0 ? undefined : Math.min(...trials) * 1_000;
}
