// The tasks of one change on one host, and how they are undone. Pure.
import type { PlannedChange, TaskGroup } from "../model/plan.ts";
import { type ProcedureWord, plainProcedure } from "../model/procedure.ts";
import type { PublishedTask, PublishedVersion } from "../model/published-version.ts";
import { type Task, type TaskAction, type TaskKind, type TaskPlace, taskId } from "../model/task.ts";

type TaskTarget = Pick<PlannedChange, "host" | "component" | "to">;
type SwitchedChange = TaskTarget & Pick<PlannedChange, "deadlineSeconds">;

/** Shared: large plans hold more than half a million tasks, and hardly any of them has options. */
const noOptions: Task["options"] = Object.freeze({});

export function makeTask(
  change: TaskTarget,
  kind: TaskKind,
  { action = "do", options = noOptions }: { action?: TaskAction; options?: Task["options"] } = {},
): Task {
  const { host, component } = change;
  return { id: taskId(host, component, kind), host, component, version: change.to, kind, action, options };
}

/** An executable of the task bundle: its id ends with its own name. */
export function hookTask({ host, component, to }: TaskTarget, { name }: Pick<PublishedTask, "name">): Task {
  const id = taskId(host, component, name);
  return { id, host, component, version: to, kind: "hook", action: "do", options: { name } };
}

/** A change whose version already runs and only waits to be committed. */
export function isCommitOnly(change: PlannedChange): boolean {
  return change.from === change.to && change.fromTree === change.toTree;
}

/** A version that asks for a rollback floor raises it when it is committed: local health and confirm are behind it then. */
export function commitTask(change: TaskTarget, { floor }: PublishedVersion): Task {
  return makeTask(change, "commit", floor > 0 ? { options: { floor: "raise" } } : {});
}

/** The contract's tasks of one place, in the order of their names. */
export function tasksAt(
  { tasks = [] }: PublishedVersion,
  { at, scope }: { readonly at: TaskPlace; readonly scope: PublishedTask["scope"] },
): readonly PublishedTask[] {
  return tasks
    .filter((task) => task.at === at && task.scope === scope)
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** One task after the other. */
export function hookGroups(change: TaskTarget, published: PublishedVersion, at: TaskPlace): TaskGroup[] {
  return tasksAt(published, { at, scope: "host" }).map((task) => [hookTask(change, task)]);
}

const plainWords = plainProcedure.phases.flatMap(({ tasks }) => tasks);

/** The series that switches one component, in the order of a phase's words; the confirmation is a step of its own. */
export function switchGroups(
  change: SwitchedChange,
  published: PublishedVersion,
  words: readonly ProcedureWord[] = plainWords,
): TaskGroup[] {
  return words.flatMap((word): TaskGroup[] => {
    switch (word) {
      case "backup":
        return published.hasBackup ? [[makeTask(change, "backup")]] : [];
      case "drain":
        return published.hasDrain ? [[makeTask(change, "drain")]] : [];
      case "switch":
        return [[makeTask(change, "switch", { options: { deadline: String(change.deadlineSeconds) } })]];
      case "health":
        return published.hasHealth ? [[makeTask(change, "health")]] : [];
      case "undrain":
        return published.hasDrain ? [[makeTask(change, "drain", { action: "undo" })]] : [];
      case "before-switch":
      case "after-switch":
        return hookGroups(change, published, word);
      default:
        return [];
    }
  });
}

/** Everything that a change of this version does, in order, as words: `backup`, `drain`, …, `undo drain`, `once expand`. */
export function taskWords(
  published: PublishedVersion,
  change: SwitchedChange,
  words: readonly ProcedureWord[] = plainWords,
): string[] {
  return words.flatMap((word): string[] => {
    if (word === "prepare" || word === "finish") return hookWords(published, word);
    if (word === "before-switch" || word === "after-switch") return hookWords(published, word);
    if (word === "confirm" || word === "distribute" || word === "build" || word === "check") return [word];
    if (word === "commit") return [published.floor > 0 ? "commit raise-floor" : "commit"];
    const kinds = switchGroups(change, published, [word]).flatMap((group) =>
      group.map(({ kind, action }) => (action === "undo" ? `undo ${kind}` : kind)),
    );
    if (word !== "switch" || published.balancer === undefined) return kinds;
    const { component, task } = published.balancer;
    return [`away ${component}/${task}`, ...kinds, `back ${component}/${task}`];
  });
}

function hookWords(published: PublishedVersion, at: TaskPlace): string[] {
  const once = tasksAt(published, { at, scope: "once" }).map(({ name }) => `once ${name}`);
  const host = tasksAt(published, { at, scope: "host" }).map(({ name }) => `task ${name}`);
  return at === "before-switch" ? [...once, ...host] : [...host, ...once];
}
