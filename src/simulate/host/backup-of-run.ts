// Which copy of a run's a task means, as the file names of host/backup.sh say it.
import type { BackupTruth, ComponentTruth } from "./truth.ts";

/** What was saved right before the run's switch; where nothing was, its restore point. */
export function ownBackup({ backups }: Pick<ComponentTruth, "backups">, run: string): BackupTruth | undefined {
  const saved = backups.get(run);
  return saved?.own ?? saved;
}

/** What the way back of a trial puts back. */
export function backupOfTrial(
  component: ComponentTruth,
  { run, id }: { run: string; id: string },
): BackupTruth | undefined {
  const saved = component.backups.get(run);
  if (saved?.own === undefined || !saved.isWanted || saved.restored !== undefined) return ownBackup(component, run);
  // Behind the point it is put back no more.
  saved.own.restored = id;
  return saved;
}

/** What begins before the first backup of a switch is a part of what that saves. */
export function backupBegins(component: ComponentTruth, { run, name }: { run: string; name: string }): void {
  const own = ownBackup(component, run);
  if (own === undefined || own.part !== undefined) return;
  own.begun.add(name);
  own.hasBegun = true;
}

export function backupUnbegun(component: ComponentTruth, { run, name }: { run: string; name: string }): void {
  ownBackup(component, run)?.begun.delete(name);
}

/** It was saved while another version was current than now: an earlier trial's way back, or a hand, came between. */
export function isOthers({ current }: Pick<ComponentTruth, "current">, saved: BackupTruth): boolean {
  return saved.version !== current;
}

/** A hand had pointed current at the version that it is of, and that run's trial of it went back to what is current now, with its data. */
export function wentAlong(
  { trial, current }: ComponentTruth,
  { run, saved }: { readonly run: string; readonly saved: BackupTruth },
): boolean {
  return trial?.state === "reverted" && trial.run === run && trial.to === saved.version && trial.from === current;
}
