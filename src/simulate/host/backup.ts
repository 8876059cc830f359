// What a simulated host saves before a switch and puts back, as host/backup.sh has it.
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
  const { room, component, version, run, options } = context;
  loadContract(context, version);
  yield room.duration(30);
  const kept = component.backups.get(run);
  if (kept !== undefined && !isOver(context, kept) && [undefined, kept.part?.point].includes(options.point))
    return options.point === undefined ? "already" : `already\n${kept.part?.line ?? ""}`;
  // guard P4: what a run saved before its switch is what it goes back to.
  if (options.point !== undefined && component.trial?.run === run)
    throw new TaskFailure(75, "trial-open", "what was saved before the switch is kept");
  yield* pointWait(context);
  const from = room.uptime();
  yield room.duration(20);
  needDisk(room, 74, "backup-failed");
  const failure = room.failure(component.name, version, "backup");
  if (failure !== undefined) throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
  const part = describePart(context, from);
  const gonePoint = part === undefined ? (kept?.part?.point ?? kept?.gonePoint) : undefined;
  component.backups.set(run, { data: component.data, part, gonePoint, restored: undefined });
  return part === undefined ? "saved" : `saved\n${part.line}`;
}

/** What was put back: what the old version wrote since has to be saved before the next trial of the run. */
function isOver({ component, run, options }: TaskContext, { restored }: BackupTruth): boolean {
  return options.point === undefined && restored !== undefined && openTrial(component, run) === undefined;
}

/** The state of that run's trial while it may still go back. */
function openTrial({ trial }: ComponentTruth, run: string): string | undefined {
  return trial?.run === run && trial.state !== "reverted" ? trial.state : undefined;
}

/** Once: what is written after that stays. */
export function* backupUndo(context: TaskContext): Work {
  const { room, component, version, options } = context;
  loadContract(context, version);
  yield room.duration(30);
  const run = trialRun(context);
  const saved = component.backups.get(run);
  if (saved === undefined) return "nothing-to-undo";
  const { point } = options;
  if (point !== undefined && saved.gonePoint === point) return "restored already";
  if (point !== undefined && saved.part?.point !== point)
    throw new TaskFailure(65, "point-differs", `the backup is of ${saved.part?.point ?? "no point"}`);
  if (!(yield* takeLock(context, 30))) throw new TaskFailure(75, "component-busy", "somebody else works on it");
  try {
    const open = openTrial(component, run);
    if (open !== undefined) throw new TaskFailure(75, "trial-open", `the trial of run ${run} is ${open}`);
    refuseCommitted(component, run);
    const now = component.backups.get(run) ?? saved;
    if (now.restored !== undefined) return now.restored === "undo" ? "restored already" : "restored by the way back";
    yield room.duration(60);
    needDisk(room, 74, "restore-failed");
    component.data = now.data;
    component.backups.set(run, { ...now, restored: "undo" });
    return "restored";
  } finally {
    leaveLock(context);
  }
}
