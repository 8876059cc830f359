// What a simulated host saves before a switch and puts back, as host/backup.sh has it.
import { isOthers, ownBackup, wentAlong } from "./backup-of-run.ts";
import {
  leaveLock,
  loadContract,
  needDisk,
  type TaskContext,
  TaskFailure,
  takeLock,
  type Work,
} from "./machine-room.ts";
import { describePart, pointWait } from "./restore-point.ts";
import { refuseCommitted, trialRun } from "./trial.ts";
import type { BackupTruth, ComponentTruth } from "./truth.ts";

export function* backup(context: TaskContext): Work {
  const { room, component, version, run, step, options } = context;
  loadContract(context, version);
  yield room.duration(30);
  const saved = component.backups.get(run);
  if (options.point === undefined) {
    if (isKept(component, run)) return "already";
  } else if (saved?.part?.point === options.point) return `already\n${saved.part.line}`;
  // guard P4: what a run saved before its switch is what it goes back to.
  if (options.point !== undefined && component.trial?.run === run)
    throw new TaskFailure(75, "trial-open", "what was saved before the switch is kept");
  // guard P4: what is there now may go, and is no data of the version that stays.
  if (component.trial?.state === "armed" || component.trial?.state === "reverting")
    throw new TaskFailure(75, "trial-open", `${component.name} is ${component.trial.state}`);
  const { trial, current } = component;
  const state = trial?.state;
  yield* pointWait(context);
  const from = room.uptime();
  yield room.duration(20);
  needDisk(room, 74, "backup-failed");
  const failure = room.failure(component.name, version, "backup");
  if (failure !== undefined) throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
  const part = describePart(context, from);
  if (component.trial !== trial || trial?.state !== state || component.current !== current)
    throw new TaskFailure(75, "component-busy", "what is current, or its trial, changed while it was saved");
  const data = { data: component.data, version: current, part, own: undefined, step };
  const made: BackupTruth = {
    ...data,
    begun: new Set(),
    hasBegun: false,
    isWanted: false,
    isUndoing: false,
    restored: undefined,
  };
  if (part === undefined && saved?.part !== undefined) saved.own = made;
  else component.backups.set(run, made);
  return part === undefined ? "saved" : `saved\n${part.line}`;
}

/** Only it has the data without what its run has done to it. Otherwise what the old version wrote since it was saved comes first. */
function isKept(component: ComponentTruth, run: string): boolean {
  const own = ownBackup(component, run);
  if (own === undefined) return false;
  if (openTrial(component, run) !== undefined || component.committed?.run === run) return true;
  const isHalfBack = [own, component.backups.get(run)].some((each) => each?.isUndoing && each.restored === undefined);
  return isHalfBack || (own.restored === undefined && own.begun.size > 0);
}

/** The state of that run's trial while it may still go back. */
function openTrial({ trial }: ComponentTruth, run: string): string | undefined {
  return trial?.run === run && trial.state !== "reverted" ? trial.state : undefined;
}

/** Once: what is written after that stays. */
export function* backupUndo(context: TaskContext): Work {
  const { room, component, version, step, options } = context;
  loadContract(context, version);
  yield room.duration(30);
  const run = trialRun(context);
  const { point } = options;
  const find = () => (point === undefined ? ownBackup(component, run) : component.backups.get(run));
  const saved = find();
  if (saved === undefined) return "nothing-to-undo";
  if (point !== undefined && saved.part?.point !== point)
    throw new TaskFailure(65, "point-differs", `the backup is of ${saved.part?.point ?? "no point"}`);
  if (!(yield* takeLock(context, 30))) throw new TaskFailure(75, "component-busy", "somebody else works on it");
  try {
    const open = openTrial(component, run);
    if (open !== undefined) throw new TaskFailure(75, "trial-open", `the trial of run ${run} is ${open}`);
    refuseCommitted(component, run);
    const now = find() ?? saved;
    if (now.restored !== undefined) return now.restored === "undo" ? "restored already" : "restored by the way back";
    // guard P4: what nothing of the run has changed is left as the old version has written it since.
    const isUntouched = !now.hasBegun && !now.isUndoing && now.part === undefined;
    if (point === undefined && step.startsWith("rollback.") && isUntouched) return "nothing-to-undo";
    // guard P4: no version is given the data of another one.
    if (isOthers(component, now) && !wentAlong(component, { run, saved: now }))
      throw new TaskFailure(66, "not-current", `${component.current} is current`);
    needDisk(room, 74, "cannot-write");
    now.isUndoing = true;
    // What was saved after the point lies behind it.
    if (now.own !== undefined) now.own.restored ??= "undo";
    yield room.duration(60);
    needDisk(room, 74, "restore-failed");
    component.data = now.data;
    now.restored = "undo";
    return "restored";
  } finally {
    leaveLock(context);
  }
}
