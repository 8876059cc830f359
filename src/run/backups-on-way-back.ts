// What a way back knows of backups beyond how their tasks stand: whether a step has saved at all, and what an earlier way back of the
// run has not put back yet. Pure.
import type { Step } from "../model/plan.ts";
import type { TaskId } from "../model/task.ts";
import { isDoneOn, placeOf, type RunState } from "./run-state.ts";

/**
 * The step without the backups of hosts that never got it. A task of that name may be done all the same, in the restore point: that is
 * put back with the whole run only, and not where a person has run something ahead of a batch (P4).
 */
export function withoutUnsaved(state: RunState, step: Step): Step {
  const isUnsaved = (host: string) =>
    !state.startedSteps.has(step.id) ||
    (state.hosts.get(placeOf(step.id, host)) === "failed" && !state.submitted.has(placeOf(step.id, host)));
  const work = step.work.map((mine) =>
    isUnsaved(mine.host)
      ? { ...mine, groups: mine.groups.map((group) => group.filter(({ kind }) => kind !== "backup")) }
      : mine,
  );
  return { ...step, work };
}

/**
 * Backups that an earlier way back was to put back, and nobody read back as done. How the tasks before them stand is in doubt by then, and
 * would say no more that they may have changed the data (P7). Hosts put back once.
 */
export function owedBackups(state: RunState): ReadonlySet<TaskId> {
  return new Set(
    (state.rollback?.steps ?? []).flatMap(
      ({ id: step, work }) =>
      work
        .filter(({ host }) => !isDoneOn(state, step, host))
        .flatMap(({ groups }) => groups.flat())
        .flatMap(({ id, kind, action, options }) => (kind === "backup" && action === "undo" && options.point === undefined ? id : [])), // biome-ignore format: one line
    ),
  );
}
