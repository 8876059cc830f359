// Drains that take longer than a trial should wait. A trial begins after its own drain; what may hold it up are the drains of other
// components of the same host. (Other hosts of the batch hold up nobody: run/confirm-early.ts.) Pure.
import type { PlannedChange, TaskGroup } from "../model/plan.ts";
import type { ProcedureWord } from "../model/procedure.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import { makeTask, switchGroups } from "./host-tasks.ts";

type VersionOf = (change: PlannedChange) => PublishedVersion;

/** The longest drain takes more than half of the shortest trial; the other half is for everything else. */
function outlastsTrial(changes: readonly PlannedChange[], versionOf: VersionOf): boolean {
  const longest = Math.max(0, ...changes.map((change) => versionOf(change).drain?.seconds ?? 0));
  const shortest = Math.min(...changes.map(({ deadlineSeconds }) => deadlineSeconds));
  return longest * 2 > shortest;
}

/** One component after the other; where a drain would outlast the trial of one before it, all of the host drain first, together. */
export function hostSwitchGroups(
  own: readonly PlannedChange[],
  versionOf: VersionOf,
  words: readonly ProcedureWord[],
): TaskGroup[] {
  const isAlone = own.length < 2 || !outlastsTrial(own, versionOf);
  if (isAlone) return own.flatMap((change) => switchGroups(change, versionOf(change), words));
  const drained = own.filter((change) => versionOf(change).hasDrain).map((change) => makeTask(change, "drain"));
  const rest = words.filter((word) => word !== "drain");
  return [drained, ...own.flatMap((change) => switchGroups(change, versionOf(change), rest))];
}
