// The driver: asks the machine what to do, does it, and feeds back what happened. It decides nothing by itself.
import pMap from "p-map";
import type { Host } from "../model/fleet.ts";
import type { HostWork, Step } from "../model/plan.ts";
import type { EventBody, JournalEvent } from "../model/run-event.ts";
import type { Task, TaskId } from "../model/task.ts";
import type { Appender } from "./append.ts";
import type { BadVersion } from "./bad-versions.ts";
import { isAdded } from "./by-hand.ts";
import { earlyConfirms } from "./confirm-early.ts";
import { decide, isStillToRun, mayBegin } from "./decide.ts";
import { type Effect, isWaiting, leaveOut } from "./effect.ts";
import { reduce } from "./machine.ts";
import { isByHand, type Pace } from "./pace.ts";
import { type HostStepContext, runHostStep } from "./run-host-step.ts";
import { runOneTask } from "./run-one-task.ts";
import { patchOf, placeOf, type RunState, turnOf } from "./run-state.ts";
import { takeRestorePoint } from "./take-restore-point.ts";
import { readBacksByHand } from "./unread.ts";
import { hearBeside, type UnwellBeside } from "./unwell-beside.ts";

export interface DriveInput extends Omit<HostStepContext, "record" | "patchOf" | "turnOf" | "mayBegin" | "silent"> {
  readonly state: RunState;
  readonly appender: Appender;
  readonly hosts: ReadonlyMap<string, Host>;
  /** Hosts worked on at the same time. */
  readonly concurrency: number;
  /** Lets work on a host begin when its turn comes: runs that go on side by side share one bound. */
  readonly inTurn?: <T>(work: () => Promise<T>) => Promise<T>;
  readonly onEvent: (event: JournalEvent) => void;
  /** What other open runs of the release have used of its failure budget by now; the same object as long as nothing changed. */
  readonly beside?: () => UnwellBeside;
  /** How far it drives: to the run's end, unless said otherwise. */
  readonly pace?: Pace;
  /**
   * With `one-task`: goes on, task by task of its host, until this one has ended, well or not. It ends before that when something fails,
   * and at the latest when its step has ended on its host; it never drives a way back.
   */
  readonly upTo?: TaskId;
}

/**
 * Drives the run until it ends, until only unknown hosts are left and the patience is over, or until a person has to decide:
 * then the state has no outcome, the run stays open, and a later call takes it up. Rejects only when aborted or when the
 * journal fails.
 */
export async function driveRun(input: DriveInput): Promise<RunState> {
  let state = input.state;
  const run = input.fence.run;
  const stop = new AbortController();
  const signal = AbortSignal.any([input.signal, stop.signal]);
  const upTo = input.upTo?.split("/")[0];
  const endsUpTo = endOf(input);
  const isLeft = input.pace === "by-hand" || input.pace === "read-back";
  let isTold = false;
  let heard = 0;
  const record = async (...bodies: readonly EventBody[]): Promise<void> => {
    signal.throwIfAborted();
    const news = bodies.filter((body) => !isKnown(state, body));
    if (news.length === 0) return;
    for (const event of await input.appender.append(...news)) {
      state = reduce(state, event, run);
      isTold ||= endsUpTo(event);
      heard += 1;
      input.onEvent(event);
    }
  };
  /** What it is told of others came after the machine was asked: hosts that it named then may not begin any more. */
  let isOvertaken = false;
  const known = (): RunState => {
    const now = hearBeside(state, input.beside?.());
    isOvertaken ||= now !== state;
    return now;
  };
  const driving: Driving = {
    input,
    context: {
      ...input,
      ...{ record, signal },
      patchOf: (place) => patchOf(state, place),
      turnOf: (step, host) => turnOf(state, step, host),
      mayBegin: (step, host, isAnew) => mayBegin(known(), step, host, isAnew),
      silent: new Set(),
    },
    stillToRun: (step, host) => isStillToRun(known(), step, host),
    stateNow: () => state,
  };
  const next = async (): Promise<Effect | undefined> => {
    const { beside } = known();
    if (beside !== state.beside) await record({ kind: "unwell-beside", hosts: beside.hosts, runs: beside.runs });
    return decide(state);
  };
  try {
    let readAt: number | undefined;
    for (let effect = await next(), waited = false; effect !== undefined; effect = await next()) {
      input.signal.throwIfAborted();
      const unread = readAt !== undefined || input.pace === "by-hand" ? [] : readBacksByHand(state);
      // Of what people ran by hand, once: also while the run waits for them, or for others.
      if (unread.length > 0 && (input.pace === "read-back" || isWaiting(effect))) {
        await readBack(driving, unread);
        readAt = heard;
        continue;
      }
      if (effect.kind === "hold" || effect.kind === "pause") return state;
      // guard P12: whoever asked for one task asked for no way back.
      if (upTo !== undefined && (isTold || effect.kind === "roll-back")) return state;
      if (isLeft && !isByHand(state, effect)) return state;
      const before = heard;
      if (input.pace === "one-task" && (effect.kind === "run-step" || effect.kind === "wait")) {
        // Its balancers come first.
        const isMine = upTo !== undefined && effect.hosts.includes(upTo);
        if (upTo !== undefined && !isMine && effect.step.traffic === undefined) return state;
        await runNextTask(driving, effect, { state, host: isMine ? upTo : effect.hosts[0] });
        // Every further one brings the run on; one that nobody heard of would be asked again for ever.
        if (upTo === undefined || effect.kind === "wait" || heard === before) return state;
        continue;
      }
      if (effect.kind === "wait") {
        // Its host was asked just now.
        if (waited || (heard === readAt && isByHand(state, effect))) return state;
        waited = true;
        await runHosts(driving, effect);
      } else {
        isOvertaken = false;
        await perform(driving, effect);
        // The same would be decided again, for ever.
        if (heard === before && !isOvertaken) throw new Error(`run ${run} comes no further: ${nameOf(effect)}`);
      }
    }
    return state;
  } finally {
    // When this driver fails or is aborted, hosts that it still listens to belong to the next one: it writes nothing more.
    stop.abort();
    await input.appender.append().catch(() => undefined);
  }
}

/** Which event is the last one that is driven to, with `upTo`. */
function endOf({ upTo, state: { plan } }: DriveInput): (event: JournalEvent) => boolean {
  const host = upTo?.split("/")[0];
  const last = plan?.steps.find(({ work }) => work.some(({ groups }) => groups.flat().some(({ id, action }) => id === upTo && action === "do"))); // biome-ignore format: one line
  return (event) => {
    // Where something did not go well, whoever asked for one task looks at it before anything else is done (P12).
    if (event.kind === "host-ended")
      return event.outcome !== "done" || (event.host === host && (last === undefined || event.step === last.id));
    if (event.kind !== "task") return false;
    // What was passed over may be handed over again; else its host ends with it.
    return event.event.state === "failed" || (event.event.state === "done" && event.event.task === upTo && event.event.action === "do"); // biome-ignore format: one line
  };
}

/** Handed over or asked again, and silent still: a journal that said so each time would grow for as long as the host is gone. */
function isKnown(state: RunState, body: EventBody): boolean {
  if (body.kind !== "host-ended" && body.kind !== "submitted") return false;
  const place = placeOf(body.step, body.host);
  if (body.kind === "host-ended") return body.outcome === "unknown" && state.hosts.get(place) === "unknown";
  return state.submitted.has(place) && turnOf(state, body.step, body.host)?.isBegun !== false;
}

function nameOf(effect: Effect): string {
  if (!("step" in effect)) return effect.kind;
  return `${effect.kind} ${typeof effect.step === "string" ? effect.step : effect.step.id}`;
}

interface Driving {
  readonly input: DriveInput;
  readonly context: HostStepContext;
  readonly stillToRun: (step: Step, host: string) => boolean;
  readonly stateNow: () => RunState;
}

async function perform(
  driving: Driving,
  effect: Exclude<Effect, { kind: "wait" | "hold" | "pause" }>,
): Promise<unknown> {
  const { input, context } = driving;
  switch (effect.kind) {
    case "start-step":
      return context.record({ kind: "step-started", step: effect.step.id });
    case "run-step":
      return runHosts(driving, effect);
    case "reopen":
      return context.record(...effect.turns);
    case "leave-out":
      return context.record(...leaveOut(effect));
    case "end-step":
      if (effect.soakSeconds > 0) await input.clock.sleep(effect.soakSeconds * 1_000, input.signal);
      return context.record({ kind: "step-ended", step: effect.step.id });
    case "roll-back":
      return context.record(...quarantines(effect.bad), {
        kind: "rollback-started",
        scope: effect.scope,
        step: effect.step,
        reason: effect.reason,
        by: "cutover",
      });
    case "end":
      return context.record(...quarantines(effect.bad), {
        kind: "run-ended",
        outcome: effect.outcome,
        reason: effect.reason,
      });
  }
}

function quarantines(bad: readonly BadVersion[]): EventBody[] {
  return bad.map((version) => ({ kind: "quarantined", ...version }));
}

async function runNextTask(
  driving: Driving,
  { step }: Extract<Effect, { kind: "run-step" | "wait" }>,
  { state, host: name }: { readonly state: RunState; readonly host: string | undefined },
): Promise<void> {
  if (step.kind === "restore-point") return runRestorePoint(driving, step);
  const { input, context } = driving;
  const work = step.work.find(({ host }) => host === name);
  if (work === undefined) return;
  // What a person asked for is one thing, also where it brings a version first.
  if (isAdded(state, step.id)) return runHosts(driving, { kind: "wait", step, hosts: [work.host] });
  const host = hostOf(input, work.host);
  if (step.kind === "confirm") await input.executor.close(host, input.fence.run);
  await runOneTask(context, { step, work, host, state });
}

/** All hosts at once, each in the order in which it was asked for, until it does not answer: one that is gone costs one patience. */
async function readBack(driving: Driving, unread: readonly Extract<Effect, { kind: "wait" }>[]): Promise<void> {
  const { input, stateNow } = driving;
  const asked = unread.flatMap(({ step, hosts }) => hosts.map((host) => ({ step, host })));
  const askAll = async (mine: typeof asked) => {
    for (const { step, host } of mine) {
      await runHosts(driving, { kind: "wait", step, hosts: [host] });
      if (stateNow().hosts.get(placeOf(step.id, host)) === "unknown") return;
    }
  };
  const byHost = [...Map.groupBy(asked, ({ host }) => host).values()];
  await pMap(byHost, askAll, { concurrency: input.concurrency, signal: input.signal });
}

/** The machine is asked again as each host's turn comes: others may have failed since the step began. */
async function runHosts(
  driving: Driving,
  { kind, step, hosts }: Extract<Effect, { kind: "run-step" | "wait" }>,
): Promise<void> {
  if (step.kind === "restore-point") return runRestorePoint(driving, step);
  const { input, context, stillToRun, stateNow } = driving;
  const early = earlyConfirms({
    ...{ context, step, stateNow },
    hostOf: (name) => hostOf(input, name),
    lanes: input.concurrency / 2,
  });
  const heard: HostStepContext = {
    ...context,
    record(...bodies) {
      for (const body of bodies) early.hears(body);
      return context.record(...bodies);
    },
  };
  const named = new Set(hosts);
  const work = step.work.filter(({ host }) => named.has(host));
  // guard P8: proof of contact over a new connection; a kept one would only show that the old session still lives.
  if (step.kind === "confirm")
    await Promise.all(work.map(({ host }) => input.executor.close(hostOf(input, host), input.fence.run)));
  const runOne = async (mine: HostWork) => {
    // guard P9: asked for each host when its turn comes, for others may have failed meanwhile.
    if (kind !== "wait" && !stillToRun(step, mine.host)) return;
    const outcome = await runHostStep(heard, step, mine, hostOf(input, mine.host));
    if (outcome === "done") early.switched(mine.host);
  };
  const { inTurn = (turn) => turn() } = input;
  // When this fails or is aborted, the whole driver stops, and with it what is confirmed early: nobody waits for that.
  await pMap(work, (mine) => inTurn(() => runOne(mine)), { concurrency: input.concurrency, signal: input.signal });
  await early.end();
}

/** On all of its hosts, also when only some are asked for: parts of different moments are no point. */
async function runRestorePoint({ input, context, stateNow }: Driving, step: Step): Promise<void> {
  const { plan, leftOut, skipped } = stateNow();
  if (plan === undefined) return;
  const { executor, clock, fence, record, signal } = context;
  const isMeant = (task: Task) => !skipped.has(task.id);
  await takeRestorePoint(
    {
      ...{ executor, clock, fence, record, signal, plan, concurrency: input.concurrency },
      known: () => stateNow().restorePoint,
      hostOf: (name) => hostOf(input, name),
    },
    step,
    step.work
      .filter(({ host }) => !leftOut.has(host))
      .map(({ host, groups }) => ({ host, groups: groups.map((group) => group.filter(isMeant)) })),
  );
}

function hostOf(input: DriveInput, name: string): Host {
  const host = input.hosts.get(name);
  if (!host) throw new Error(`the plan names ${name}, which the fleet does not have`);
  return host;
}
