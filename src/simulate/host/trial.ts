// The dead man's switch of a simulated host, as trial.sh, way-back.sh and confirm.sh have it.
import { backupOfTrial } from "./backup-of-run.ts";
import { undrain } from "./drain.ts";
import { type MachineRoom, needDisk, type TaskContext, TaskFailure, type Work } from "./machine-room.ts";
import type { ComponentTruth, TrialState, TrialTruth, Worker } from "./truth.ts";

/** Why a way back stopped before its end. */
export interface Hindrance {
  readonly reason: string;
  readonly evidence: string;
}

/** The decision about a trial: one rename, so one winner. */
export function moveTrial(component: ComponentTruth, from: TrialState, to: TrialState): boolean {
  if (component.trial?.state !== from) return false;
  component.trial.state = to;
  return true;
}

export function isWatched({ watcher }: ComponentTruth): boolean {
  return watcher?.isAlive === true;
}

/** Starts what takes the trial back when its time is over (P8). */
export function watchTrial(room: MachineRoom, component: ComponentTruth, inMs: number): void {
  const id = component.trial?.id;
  component.watcher = room.start(
    (self) => waitForDeadline(room, component, { id, inMs, self }),
    () => undefined,
  );
}

function* waitForDeadline(
  room: MachineRoom,
  component: ComponentTruth,
  { id, inMs, self }: { id: string | undefined; inMs: number; self: Worker },
): Work<void> {
  yield inMs;
  const { trial } = component;
  if (trial?.id !== id || (trial?.state !== "armed" && trial?.state !== "reverting")) return;
  yield* revertWithRetries(room, component, { reason: "deadline", from: "armed", self, isGuard: false });
}

export interface RevertInput {
  readonly reason: string;
  readonly from: TrialState;
  readonly self: Worker;
  /** The guard at boot tries once. */
  readonly isGuard: boolean;
}

/** Tried again for a day when nobody watches, with pauses up to a minute, unless another trial has begun meanwhile. */
export function* revertWithRetries(room: MachineRoom, component: ComponentTruth, input: RevertInput): Work<boolean> {
  const id = component.trial?.id;
  for (let tries = 1; tries <= 1_500; tries++) {
    // guard P5: another trial since then belongs to another run.
    if (component.trial?.id !== id) return true;
    const hindrance = yield* revertTrial(room, component, input);
    if (hindrance === undefined && (input.isGuard || (yield* undrain(room, component)))) return true;
    if (input.isGuard) return false;
    yield Math.min(tries, 60) * 1_000;
  }
  return false;
}

/** Decides for the way back and goes it; undefined when nothing is left to do, by whomever. */
export function* revertTrial(
  room: MachineRoom,
  component: ComponentTruth,
  { reason, from, self }: RevertInput,
): Work<Hindrance | undefined> {
  if (moveTrial(component, from, "reverting")) room.changed(component, "goes back");
  else if (component.trial?.state !== "reverting") return undefined;
  yield* endWorker(room, component, self);
  try {
    if (component.trial?.state !== "reverting") return undefined;
    component.trial.reason ??= reason;
    return yield* goBack(room, component, { trial: component.trial, self });
  } finally {
    if (component.lock === self) component.lock = undefined;
  }
}

/** Takes the lock from a switch that lost the decision; another way back is let finish. */
function* endWorker(room: MachineRoom, component: ComponentTruth, self: Worker): Work<void> {
  const until = room.uptime() + (component.worker?.role === "revert" ? 90_000 : 500);
  while (component.lock !== undefined && component.lock !== self && component.lock.isAlive) {
    if (room.uptime() >= until) {
      const by = component.worker?.by;
      if (by !== undefined && by !== self) by.end();
      if (room.uptime() >= until + 1_000) break;
    }
    yield 50;
  }
  component.lock = self;
}

function* goBack(
  room: MachineRoom,
  component: ComponentTruth,
  { trial, self }: { trial: TrialTruth; self: Worker },
): Work<Hindrance | undefined> {
  component.worker = { by: self, role: "revert" };
  yield room.duration(20);
  const { from } = trial;
  if (![trial.to, from].some((version) => version !== undefined && component.releases.has(version)))
    return { reason: "way-back-missing", evidence: `no contract says how to go back from ${trial.to}` };
  // guard P1: without a complete version to go back to, current stays where it is.
  if (from !== undefined && !component.built.has(from))
    return { reason: "way-back-missing", evidence: `version ${from} is not built any more` };
  if (from !== undefined && component.current !== from) {
    if (room.truth.isDiskFull) return { reason: "cannot-switch", evidence: "no space left on device" };
    component.current = from;
    room.changed(component, `current is ${from} again`);
  }
  const saved = backupOfTrial(component, trial);
  if (saved !== undefined && saved.restored !== trial.id) {
    if (room.truth.isDiskFull) return { reason: "restore-failed", evidence: "no space left on device" };
    component.data = saved.data;
    saved.restored = trial.id;
  }
  yield room.duration(60);
  if (from === undefined) {
    component.current = undefined;
    room.changed(component, "nothing is installed any more");
  } else if (from !== trial.to && room.failure(component.name, from, "switch") !== undefined)
    return { reason: "not-ready", evidence: `${from} does not start either` };
  if (moveTrial(component, "reverting", "reverted")) room.changed(component, "went back");
  return undefined;
}

/** At boot: what nobody watches any more goes back; what cannot now is tried again later. */
export function* guardComponent(room: MachineRoom, component: ComponentTruth, self: Worker): Work<void> {
  const { trial } = component;
  let reason = "boot";
  if (trial?.state === "armed") {
    const isOurs = trial.bootId === room.truth.bootId && isWatched(component);
    if (isOurs && room.uptime() < trial.deadlineAt) return;
    if (isOurs) reason = "deadline";
  } else if (trial?.state !== "reverting") return;
  const isBack = yield* revertWithRetries(room, component, { reason, from: "armed", self, isGuard: true });
  if (!isBack && !isWatched(component)) watchTrial(room, component, 0);
}

/** A trial of an earlier boot that nobody watches: whoever looks first has it taken back. */
export function takeBackOverdue(room: MachineRoom, component: ComponentTruth): void {
  const { trial } = component;
  if (trial?.state !== "armed" && trial?.state !== "reverting") return;
  if (trial.bootId !== room.truth.bootId && !isWatched(component)) watchTrial(room, component, 0);
}

export function* confirmTask(context: TaskContext): Work {
  const { room, component, version, session } = context;
  const run = trialRun(context);
  const { trial } = component;
  yield room.duration(10);
  if (trial === undefined) {
    if (component.committed?.run === run) return "already committed";
    if (component.committed?.version === version) {
      loadContract66(context, version);
      if (component.current === version) return "already committed";
    }
    throw new TaskFailure(66, "no-trial", `${component.name} is not on trial`);
  }
  if (trial.run !== run)
    throw new TaskFailure(66, "no-trial", `the trial of ${component.name} belongs to ${trial.run}`);
  loadContract66(context, trial.to);
  if (trial.state === "armed") {
    // guard P8: proof of contact comes over a new connection.
    if (trial.session === session) throw new TaskFailure(77, "same-session", "confirm over a new one");
    if (!trial.switched) throw new TaskFailure(75, "switch-incomplete", "the switch of this trial has not ended");
    if (trial.bootId !== room.truth.bootId) {
      if (!isWatched(component)) watchTrial(room, component, 0);
      throw new TaskFailure(66, "deadline-passed", "the host was started anew during the trial; it goes back");
    }
    const failure = room.failure(component.name, trial.to, "confirm");
    if (failure !== undefined) throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
    if (room.uptime() >= trial.deadlineAt) {
      if (!isWatched(component)) watchTrial(room, component, 0);
      throw new TaskFailure(66, "deadline-passed", "confirmed after the deadline");
    }
    if (!moveTrial(component, "armed", "confirmed")) throw lost(component);
    room.changed(component, `${trial.to} is confirmed`);
  } else if (trial.state !== "confirmed") throw lost(component);
  return `confirmed=${trial.to} from=${trial.from ?? "none"}`;
}

function lost({ trial }: ComponentTruth): TaskFailure {
  return new TaskFailure(66, "reverted", `${trial?.state}, reason ${trial?.reason ?? "unknown"}`);
}

function loadContract66({ component }: TaskContext, version: string): void {
  if (!component.releases.has(version))
    throw new TaskFailure(66, "version-not-built", `${component.name} ${version} is not built on this host`);
}

/** No undo takes a commit back, nor puts old data under it. */
export function refuseCommitted({ committed }: ComponentTruth, run: string): void {
  if (committed?.run === run) throw new TaskFailure(66, "committed", `run ${run} has committed ${committed.version}`);
}

/** The run whose trial a task is about. */
export function trialRun({ options, run }: TaskContext): string {
  return options["trial-run"] ?? run;
}

export function armTrial(
  context: TaskContext,
  { from, deadlineMs }: { from: string | undefined; deadlineMs: number },
): TrialTruth {
  const { room, component, version, run, session } = context;
  needDisk(room, 71, "arming-failed");
  const failure = room.failure(component.name, version, "arm");
  if (failure !== undefined) throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
  const trial: TrialTruth = {
    state: "armed",
    id: `t${room.truth.boots}-${room.uptime()}`,
    from,
    to: version,
    run,
    session,
    deadlineAt: room.uptime() + deadlineMs,
    bootId: room.truth.bootId,
    switched: false,
    reason: undefined,
  };
  component.before = component.trial?.state === "confirmed" ? component.trial : undefined;
  component.trial = trial;
  component.worker = { by: context.self, role: "switch" };
  watchTrial(room, component, deadlineMs);
  room.changed(component, `${version} is on trial`);
  return trial;
}
