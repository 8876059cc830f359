// Switch and commit of a simulated host, as switch.sh and commit.sh have them.
import { isOthers, ownBackup } from "./backup-of-run.ts";
import {
  leaveLock,
  loadContract,
  needDisk,
  type TaskContext,
  TaskFailure,
  takeLock,
  type Work,
} from "./machine-room.ts";
import { armTrial, isWatched, refuseCommitted, revertTrial, trialRun, watchTrial } from "./trial.ts";
import type { ComponentTruth, TrialTruth } from "./truth.ts";

export function* switchTask(context: TaskContext): Work {
  const { component, version, run, options } = context;
  if (!(yield* takeLock(context, 10))) throw new TaskFailure(75, "component-busy", "somebody else works on it");
  try {
    const contract = loadContract(context, version);
    // guard P1: only a complete, verified version is switched to.
    if (!component.built.has(version)) throw new TaskFailure(66, "version-not-built", `${version} is not verified`);
    if (contract.sequence < component.floor) throw new TaskFailure(77, "below-floor", `sequence ${contract.sequence}`);
    const seconds = Number(options.deadline ?? contract.deadlineSeconds);
    if (seconds > contract.deadlineSeconds) throw new TaskFailure(77, "deadline-too-long", `${seconds} s asked for`);
    const { trial } = component;
    const isOurs = trial?.run === run && trial.to === version;
    if (trial?.state === "confirmed" && isOurs) return "already confirmed";
    if (trial?.state === "armed" && isOurs) return yield* resumeSwitch(context, trial);
    if (trial?.state === "armed" || trial?.state === "reverting")
      throw new TaskFailure(75, "trial-open", `${component.name} is ${trial.state} by run ${trial.run}`);
    return yield* beginSwitch(context, seconds * 1_000);
  } finally {
    leaveLock(context);
  }
}

function* beginSwitch(context: TaskContext, deadlineMs: number): Work {
  const { room, component, version, run } = context;
  if (isOnItsWayBack(context)) throw new TaskFailure(66, "taken-back", `run ${run} is on its way back`);
  const isPointedHere = component.current === version;
  if (isPointedHere && isConfirmed(component, version)) return "already current";
  // Nobody ever confirmed what a hand pointed current at: that is what a trial is for, and it goes back to what was committed, else to itself.
  const from = isPointedHere ? (component.committed?.version ?? version) : component.current;
  // guard P4: nothing is switched away from what could not be gone back to.
  if (from !== undefined && !component.built.has(from))
    throw new TaskFailure(65, "current-incomplete", `${from}, the way back, is not a verified version`);
  // guard P4: what was put back once, or is another version's, is no way back for another trial.
  const saved = ownBackup(component, run);
  if (saved !== undefined && (saved.restored !== undefined || isOthers(component, saved)))
    throw new TaskFailure(66, "backup-spent", "what was saved before was put back, or is of another version");
  yield room.duration(30);
  // An undo that came before this found no trial, and its run switches nothing any more.
  if (isOnItsWayBack(context)) throw new TaskFailure(66, "taken-back", `run ${run} is on its way back`);
  const trial = armTrial(context, { from, deadlineMs });
  yield room.duration(30);
  return yield* handOver(context, trial);
}

function isOnItsWayBack({ room, run }: TaskContext): boolean {
  return [...room.truth.steps.values()].some((each) => each.run === run && each.step.startsWith("rollback."));
}

function isConfirmed({ committed, trial }: ComponentTruth, version: string): boolean {
  return committed?.version === version || (trial?.state === "confirmed" && trial.to === version);
}

function* resumeSwitch(context: TaskContext, trial: TrialTruth): Work {
  const { room, component, self } = context;
  if (trial.switched) return `from=${trial.from ?? "none"} to=${trial.to}`;
  if (trial.bootId !== room.truth.bootId) {
    if (!isWatched(component)) watchTrial(room, component, 0);
    throw new TaskFailure(66, "reverted", "the host was started anew during the trial; it goes back");
  }
  component.worker = { by: self, role: "switch" };
  if (!isWatched(component)) watchTrial(room, component, trial.deadlineAt - room.uptime());
  return yield* handOver(context, trial);
}

function* handOver(context: TaskContext, trial: TrialTruth): Work {
  const { room, component, version } = context;
  const { convertsData } = loadContract(context, version);
  const decided = () => component.trial !== trial || trial.state !== "armed";
  if (decided()) throw new TaskFailure(66, "reverted", "the trial was taken back meanwhile");
  if (component.current !== version) {
    if (room.truth.isDiskFull) {
      if (component.current === trial.from) {
        component.trial = component.before;
        room.changed(component, "the trial is dropped");
      }
      throw new TaskFailure(74, "cannot-switch", "no space left on device");
    }
    component.current = version;
    room.changed(component, `current is ${version}`);
  }
  if (convertsData) component.data = version;
  for (let polls = 0; polls < 3; polls++) {
    yield room.duration(60);
    if (decided()) throw new TaskFailure(71, "reverted", "the trial was taken back meanwhile");
  }
  const failure = room.failure(component.name, version, "switch");
  if (failure !== undefined) {
    yield room.duration(1_000);
    throw new TaskFailure(failure.exitCode, failure.reason, `${version} did not get ready`);
  }
  if (decided() || room.truth.isDiskFull) throw new TaskFailure(66, "reverted", "the trial was taken back meanwhile");
  trial.switched = true;
  room.changed(component, `${version} took over`);
  return `from=${trial.from ?? "none"} to=${version}`;
}

export function* switchUndoTask(context: TaskContext): Work {
  const { room, component, self, options } = context;
  const run = trialRun(context);
  const ours = () => (component.trial?.run === run ? component.trial : undefined);
  const begun = ours()?.state;
  if (begun === undefined) return withoutTrial(component, run);
  const reason = options.reason ?? "operator";
  if (begun !== "reverted") {
    const point = component.backups.get(run);
    if (options.point !== undefined && point?.part?.point === options.point) point.isWanted = true;
    // Confirmed by a race between two looks: the undo stands above the confirm.
    for (const from of [begun, "confirmed"] as const) {
      if (ours() === undefined || ours()?.state === "reverted") break;
      const hindrance = yield* revertTrial(room, component, { reason, from, self, isGuard: false });
      if (hindrance === undefined) continue;
      // It is decided, so the host goes on trying by itself (P8).
      if (!isWatched(component)) watchTrial(room, component, 0);
      throw new TaskFailure(71, hindrance.reason, hindrance.evidence);
    }
  }
  const trial = ours();
  if (trial === undefined) return withoutTrial(component, run);
  if (trial.state !== "reverted") throw new TaskFailure(75, "component-busy", `the trial is ${trial.state}`);
  return `current=${trial.from ?? "none"} was=${trial.to} reason=${trial.reason ?? "unknown"}`;
}

/** It never began there, or was dropped before anything moved. Or it was committed, and nobody may take that for undone. */
function withoutTrial(component: ComponentTruth, run: string): string {
  refuseCommitted(component, run);
  return "nothing-to-undo";
}

export function* commitTask(context: TaskContext): Work {
  const { room, component, version, options } = context;
  if (!(yield* takeLock(context, 10))) throw new TaskFailure(75, "component-busy", "somebody else works on it");
  try {
    const contract = loadContract(context, version);
    yield room.duration(20);
    if (!component.built.has(version)) throw new TaskFailure(66, "version-not-built", `${version} is not verified`);
    if (component.current !== version) throw new TaskFailure(66, "not-current", `current is ${component.current}`);
    const { trial } = component;
    if (trial?.state === "armed") throw new TaskFailure(66, "not-confirmed", `${version} is not confirmed`);
    if (trial?.state === "reverting") throw new TaskFailure(66, "reverted", "the way back is under way");
    if (trial?.state === "confirmed" && trial.to !== version)
      throw new TaskFailure(66, "not-on-trial", `the trial is of ${trial.to}`);
    needDisk(room, 74, "cannot-write");
    const failure = room.failure(component.name, version, "commit");
    if (failure !== undefined) throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
    const before = component.committed?.version;
    if (before !== undefined && before !== version) component.previous = before;
    if (options.floor === "raise") component.floor = Math.max(component.floor, contract.floor);
    component.committed = { version, run: trialRun(context) };
    component.trial = undefined;
    collectGarbage(context);
    room.changed(component, `${version} is committed`);
    return `committed=${version}`;
  } finally {
    leaveLock(context);
  }
}

/** What nothing can go back to any more: all but current, committed, the one before and what is offered. */
function collectGarbage({ component, version }: TaskContext): void {
  const since = component.offers.indexOf(version);
  component.offers = component.offers.filter((_, index) => since < 0 || index >= since);
  const kept = new Set([component.current, component.committed?.version, component.previous, ...component.offers]);
  for (const built of [...component.built]) {
    // guard P4: what may be gone back to, or comes next, stays.
    if (kept.has(built)) continue;
    component.built.delete(built);
    component.releases.delete(built);
    component.damaged.delete(built);
  }
}
