// The tasks of one change on one host, and how they are undone. Pure.
import type { PlannedChange, TaskGroup } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import { type Task, type TaskAction, type TaskKind, taskId } from "../model/task.ts";

type TaskTarget = Pick<PlannedChange, "host" | "component" | "to">;
type SwitchedChange = TaskTarget & Pick<PlannedChange, "deadlineSeconds">;

export function makeTask(
  change: TaskTarget,
  kind: TaskKind,
  { action = "do", options = {} }: { action?: TaskAction; options?: Task["options"] } = {},
): Task {
  const { host, component } = change;
  return { id: taskId(host, component, kind), host, component, version: change.to, kind, action, options };
}

/** A change whose version already runs and only waits to be committed. */
export function isCommitOnly(change: PlannedChange): boolean {
  return change.from === change.to && change.fromTree === change.toTree;
}

/** A version that asks for a rollback floor raises it when it is committed: local health and confirm are behind it then. */
export function commitTask(change: TaskTarget, { floor }: PublishedVersion): Task {
  return makeTask(change, "commit", floor > 0 ? { options: { floor: "raise" } } : {});
}

/** The series that switches one component: save, drain, switch, look, and take traffic again. */
export function switchGroups(change: SwitchedChange, published: PublishedVersion): TaskGroup[] {
  const groups: TaskGroup[] = [];
  if (published.hasBackup) groups.push([makeTask(change, "backup")]);
  if (published.hasDrain) groups.push([makeTask(change, "drain")]);
  groups.push([makeTask(change, "switch", { options: { deadline: String(change.deadlineSeconds) } })]);
  if (published.hasHealth) groups.push([makeTask(change, "health")]);
  if (published.hasDrain) groups.push([makeTask(change, "drain", { action: "undo" })]);
  return groups;
}

/** Everything that a change of this version does on a host, in order, as words: `backup`, `drain`, …, `undo drain`. */
export function taskWords(published: PublishedVersion, change: SwitchedChange): string[] {
  const tasks = [
    ...(["distribute", "build", "check"] as const).map((kind) => makeTask(change, kind)),
    ...switchGroups(change, published).flat(),
    makeTask(change, "confirm"),
    commitTask(change, published),
  ];
  return tasks.map(({ kind, action, options }) => {
    const raise = options.floor === undefined ? "" : " raise-floor";
    return `${action === "undo" ? "undo " : ""}${kind}${raise}`;
  });
}
