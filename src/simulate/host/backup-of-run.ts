// Which copy of a run's a task means, as the file names of host/backup.sh say it.
import type { BackupTruth, ComponentTruth } from "./truth.ts";

/** What was saved right before the run's switch; where nothing was, its restore point. */
export function ownBackup({ backups }: Pick<ComponentTruth, "backups">, run: string): BackupTruth | undefined {
  const saved = backups.get(run);
  return saved?.own ?? saved;
}

/** What begins before the first backup of a switch is a part of what that saves. */
export function backupBegins(component: ComponentTruth, { run, name }: { run: string; name: string }): void {
  const own = ownBackup(component, run);
  if (own?.part === undefined) own?.begun.add(name);
}

export function backupUnbegun(component: ComponentTruth, { run, name }: { run: string; name: string }): void {
  ownBackup(component, run)?.begun.delete(name);
}
