// One run from start, or from where a killed controller left it, to its end.
import { randomBytes } from "node:crypto";
import type { Host } from "../model/fleet.ts";
import type { Plan } from "../model/plan.ts";
import type { EventBody, JournalEvent, RunId } from "../model/run-event.ts";
import type { TaskId } from "../model/task.ts";
import type { Lease } from "../ports.ts";
import { type Appender, makeAppender } from "../run/append.ts";
import { decide } from "../run/decide.ts";
import type { BytesSent } from "../run/deliver-task.ts";
import { driveRun } from "../run/drive-run.ts";
import { isWaiting as isWaitingEffect } from "../run/effect.ts";
import { leaveOutHeld } from "../run/leave-out-held.ts";
import { reduce } from "../run/machine.ts";
import { goesOn, type Pace } from "../run/pace.ts";
import { replayRun, runStream } from "../run/replay.ts";
import type { Silence } from "../run/run-host-step.ts";
import { initialRunState, type RunState } from "../run/run-state.ts";
import { readBacksByHand } from "../run/unread.ts";
import type { UnwellBeside } from "../run/unwell-beside.ts";
import type { Controller } from "./controller.ts";
import { recall, remember } from "./controller-memory.ts";
import type { MakingProgress } from "./find-payload.ts";
import { makeDeliveries, type RunSources } from "./make-deliveries.ts";
import { type OpenTrouble, pauseTrouble } from "./open-trouble.ts";
import { type PersonTrouble, personTrouble } from "./person-trouble.ts";

/** Whoever watches: every journaled event, and (not journaled) bytes on the way, patches that are being made, and hosts that are waited for. */
export interface RunWatcher {
  onEvent(event: JournalEvent): void;
  onBytes(progress: BytesSent, run: RunId): void;
  onMaking?(progress: MakingProgress, run: RunId): void;
  onSilent?(silence: Silence, run: RunId): void;
}

export interface RunContext {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly sources: RunSources;
  readonly watcher: RunWatcher;
  readonly signal: AbortSignal;
  /** Lets work on a host begin when its turn comes: runs that go on side by side share one bound. */
  readonly inTurn?: <T>(work: () => Promise<T>) => Promise<T>;
  /** What other open runs of its release have used of the failure budget by now. */
  readonly beside?: () => UnwellBeside;
  /** How far the run goes; to its end, unless said otherwise. `as-left`: no further than somebody who steps through it has left it. */
  readonly pace?: Pace | "as-left";
  /** With `one-task`: until this one has ended. */
  readonly upTo?: TaskId;
}

export interface RunResult {
  readonly run: RunId;
  readonly state: RunState;
  /** What a person has to do before the run goes on: it waits at a gate. */
  readonly waits?: PersonTrouble;
  /** Why it pauses for other runs of its release. */
  readonly pauses?: Pick<OpenTrouble, "message" | "next">;
}

export interface PlannedRun {
  readonly plan: Plan;
  readonly commit: string;
  readonly generation: string;
  readonly fleet: readonly Host[];
  readonly wayBackOf?: RunId;
}

/** Journals the plan first, then drives it. `run` is a new id. */
export async function startRun(
  context: RunContext,
  { run, plan, commit, generation, fleet, wayBackOf }: PlannedRun & { readonly run: RunId },
): Promise<RunResult> {
  const { epoch } = context.lease;
  const back = wayBackOf === undefined ? {} : { wayBackOf };
  const kept = keptPace(context, initialRunState);
  const planned: EventBody = { kind: "run-planned", commit, generation, plan, epoch, fleet, ...back, ...kept };
  const pace = drivenPace(context, initialRunState);
  return drive({ ...context, pace }, { run, state: initialRunState, last: 0, first: planned });
}

/** Takes up a run that the journal shows without an end. */
export async function resumeRun(context: RunContext, run: RunId): Promise<RunResult> {
  const { journal, clock } = context.controller;
  const { state, last } = await replayRun(journal, run);
  // A machine that will never answer again must not keep a run open for ever: `cutover hold` lets the run go on without it.
  const { holds } = await recall(context.controller);
  const said = leaveOutHeld(state, holds);
  const beginsStepping = context.pace === "one-task" && state.pace !== "one-task";
  const pace = drivenPace(context, state);
  if (said.length === 0 && !beginsStepping && !goesOn(state, pace)) return resultOf(run, state);
  const events = await makeAppender({ journal, clock, stream: runStream(run), last }).append(...said);
  for (const event of events) context.watcher.onEvent(event);
  const onward = said.reduce((before, event) => reduce(before, event, run), state);
  const first: EventBody = { kind: "run-resumed", epoch: context.lease.epoch, ...keptPace(context, state) };
  return drive({ ...context, pace }, { run, state: onward, last: last + said.length, first });
}

/** A run that waits for a person for days writes nothing meanwhile, unless what people ran by hand is still to be read back. */
export function isUndecided(state: RunState, holds: ReadonlyMap<string, string>): boolean {
  const isHeld = decide(state)?.kind === "hold";
  return isHeld && readBacksByHand(state).length === 0 && leaveOutHeld(state, holds).length === 0;
}

/** What is done by hand, and what a pass does while a person has to decide, leave a run at the pace at which it stood: only a step begins stepping. */
function keptPace({ pace = "run" }: Pick<RunContext, "pace">, state: RunState): { readonly pace?: "one-task" } {
  // Whoever asks for a way back asks for all of it.
  const isLeft = pace === "as-left" && state.rollback === undefined;
  const isKept = isLeft || pace === "by-hand" || pace === "read-back" || (pace !== "one-task" && decide(state)?.kind === "hold"); // biome-ignore format: one line
  return (isKept ? state.pace : pace) === "one-task" ? { pace: "one-task" } : {};
}

/** A pass that finds out, or leaves out, what somebody who steps through a run waited for leaves the rest to them (P12). */
function drivenPace({ pace = "run" }: Pick<RunContext, "pace">, state: RunState): Pace {
  if (pace !== "run" && pace !== "as-left") return pace;
  return keptPace({ pace }, state).pace === "one-task" ? "read-back" : "run";
}

async function drive(
  context: RunContext & { readonly pace?: Pace },
  { run, state, last, first }: { run: RunId; state: RunState; last: number; first: EventBody },
): Promise<RunResult> {
  const { controller, lease, watcher } = context;
  const begun = reduce(state, first, run);
  const own = makeAppender({ journal: controller.journal, clock: controller.clock, stream: runStream(run), last });
  const isAsking = begun.pace === state.pace && (await isTakenUp(context, run));
  const appender = isAsking && isWaiting(begun) ? precededBy(first, own) : own;
  if (appender === own) for (const event of await own.append(first)) watcher.onEvent(event);
  const fence = { run, epoch: lease.epoch, holder: lease.holder };
  if (begun.plan === undefined) throw new Error(`the journal has no plan for run ${run}`);
  const ended = await driveRun({
    state: begun,
    appender,
    fence,
    hosts: new Map(begun.fleet.map((host) => [host.name, host])),
    executor: controller.executor,
    clock: controller.clock,
    deliveryFor: makeDeliveries({
      controller,
      plan: begun.plan,
      fence,
      sources: context.sources,
      onMaking: (progress) => watcher.onMaking?.(progress, run),
      signal: context.signal,
    }),
    concurrency: controller.settings.concurrency,
    ...(context.inTurn === undefined ? {} : { inTurn: context.inTurn }),
    ...(context.beside === undefined ? {} : { beside: context.beside }),
    pace: context.pace ?? "run",
    ...(context.upTo === undefined ? {} : { upTo: context.upTo }),
    patienceMs: controller.settings.patienceMs,
    onEvent: watcher.onEvent,
    onBytes: (progress) => watcher.onBytes(progress, run),
    onSilent: (silence) => watcher.onSilent?.(silence, run),
    signal: context.signal,
  });
  await keepQuarantines(controller, run);
  return resultOf(run, ended);
}

/** Nothing is handed over before a host has answered of which nobody knew, or a person. */
function isWaiting(state: RunState): boolean {
  const effect = decide(state);
  return effect !== undefined && isWaitingEffect(effect);
}

/** This process has said so before: its epoch is in the journal, which a deleted lease must not lead back below (P5). */
async function isTakenUp({ controller, lease }: RunContext, run: RunId): Promise<boolean> {
  const [newest] = (await controller.journal.read(runStream(run), ["run-resumed"])).slice(-1);
  return newest?.kind === "run-resumed" && newest.epoch === lease.epoch;
}

/** Writes `first` before whatever comes; where nothing comes, the journal does not grow with every pass. */
function precededBy(first: EventBody, appender: Appender): Appender {
  let isWritten = false;
  return {
    append(...bodies) {
      if (isWritten || bodies.length === 0) return appender.append(...bodies);
      isWritten = true;
      return appender.append(first, ...bodies);
    },
  };
}

export function resultOf(run: RunId, state: RunState): RunResult {
  const waits = personTrouble({ run, state });
  const pauses = pauseTrouble({ run, state });
  return { run, state, ...(waits === undefined ? {} : { waits }), ...(pauses === undefined ? {} : { pauses }) };
}

/** A controller that was killed may have left those of its last runs behind. */
const newestRuns = 10;

export async function keepNewestQuarantines(controller: Pick<Controller, "journal" | "clock">): Promise<void> {
  const newest = (await controller.journal.streams(runStream(""))).slice(-newestRuns);
  for (const stream of newest) await keepQuarantines(controller, stream.slice(runStream("").length));
}

/** Quarantines outlive the run: they are copied to the controller's own stream. Repeating it adds nothing. */
export async function keepQuarantines(controller: Pick<Controller, "journal" | "clock">, run: RunId): Promise<void> {
  const found = (await controller.journal.read(runStream(run), ["quarantined"])).filter(
    (event) => event.kind === "quarantined",
  );
  if (found.length === 0) return;
  const known = new Set(
    (await controller.journal.read("controller")).flatMap((event) =>
      event.kind === "quarantined" ? [`${event.component}@${event.tree}@${event.run ?? ""}`] : [],
    ),
  );
  const fresh = found.filter((event) => !known.has(`${event.component}@${event.tree}@${run}`));
  await remember(
    controller,
    ...fresh.map(
      ({ kind, component, version, tree, reason, evidence }): EventBody => ({
        kind,
        component,
        version,
        tree,
        reason,
        evidence,
        run,
      }),
    ),
  );
}

/** Sorts by time and is unique among controllers: `r20261121-031500-4f2a`. */
export function makeRunId(now: number): RunId {
  const [day = "", time = ""] = new Date(now).toISOString().split("T");
  return `r${day.replaceAll("-", "")}-${time.slice(0, 8).replaceAll(":", "")}-${randomBytes(3).toString("hex")}`;
}
