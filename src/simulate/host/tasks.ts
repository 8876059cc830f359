// Every kind of task that a simulated host knows, do and undo, as host.sh has them.
import type { Task, TaskPlace } from "../../model/task.ts";
import { backup, backupUndo } from "./backup.ts";
import { backupBegins, backupUnbegun } from "./backup-of-run.ts";
import { drainTask, undrainTask } from "./drain.ts";
import {
  leaveLock,
  loadContract,
  needDisk,
  type TaskContext,
  TaskFailure,
  takeLock,
  type Work,
} from "./machine-room.ts";
import { commitTask, switchTask, switchUndoTask } from "./switch.ts";
import { confirmTask, trialRun } from "./trial.ts";

/** By `kind action`; a host refuses any other. */
export const hostTasks: Readonly<Record<string, (context: TaskContext) => Work>> = {
  "build do": build,
  "build undo": buildUndo,
  "check do": check,
  "check undo": nothingToUndo,
  "backup do": backup,
  "backup undo": backupUndo,
  "drain do": drainTask,
  "drain undo": undrainTask,
  "switch do": switchTask,
  "switch undo": switchUndoTask,
  "health do": health,
  "health undo": nothingToUndo,
  "hook do": hook,
  "hook undo": hookUndo,
  "confirm do": confirmTask,
  "confirm undo": nothingToUndo,
  "commit do": commitTask,
  "commit undo": nothingToUndo,
};

export const taskWord = ({ kind, action }: Pick<Task, "kind" | "action">): string => `${kind} ${action}`;

// biome-ignore lint/correctness/useYield: a task like the others
function* nothingToUndo(): Work {
  return "nothing to undo";
}

function* build({ room, component, version, run }: TaskContext): Work {
  if (!component.offers.includes(version)) {
    if (component.built.has(version) && component.releases.has(version)) return "already built";
    throw new TaskFailure(66, "not-offered", `${component.name} ${version} was not offered to this host`);
  }
  needDisk(room, 74, "write-failed");
  yield room.duration(40);
  if (component.built.has(version) && component.releases.has(version)) return "already built";
  const delivery = component.deliveries.get(version);
  // guard P2: bytes are for the run that their envelope names.
  if (delivery?.run !== run) throw new TaskFailure(77, "not-offered", `the offer is of run ${delivery?.run}`);
  yield room.duration(300);
  needDisk(room, 74, "write-failed");
  const failure = room.failure(component.name, version, "build");
  // The word for a patch that is of no use is one only when a patch came.
  if (failure !== undefined && (failure.reason !== "patch-corrupt" || delivery.isPatch))
    throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
  component.releases.add(version);
  component.built.add(version);
  component.damaged.delete(version);
  room.changed(component, `${version} is built`);
  return "built";
}

function* buildUndo(context: TaskContext): Work {
  const { room, component, version } = context;
  if (!component.releases.has(version)) return "nothing to remove";
  if (!(yield* takeLock(context, 10))) throw new TaskFailure(75, "component-busy", "somebody else works on it");
  try {
    yield room.duration(20);
    // What current names, or what can be gone back to, is kept (P1).
    if (inUse(context, version)) return "kept";
    component.built.delete(version);
    component.damaged.delete(version);
    component.releases.delete(version);
    room.changed(component, `${version} is removed`);
    return "removed";
  } finally {
    leaveLock(context);
  }
}

/** What a confirmed trial tried is needed as long as it is current: it only goes back. */
function inUse({ component }: TaskContext, version: string): boolean {
  const { current, committed } = component;
  const trial = component.trial?.state === "reverted" ? undefined : component.trial;
  const to = trial?.state === "confirmed" ? undefined : trial?.to;
  return [current, committed?.version, trial?.from, to].includes(version);
}

/** The version counts as built no more, unless it is in use, or a switch that looked before may bring it into use. */
function* disown(context: TaskContext): Work<void> {
  const { room, component, version } = context;
  if (!(yield* takeLock(context, 2))) return;
  if (!inUse(context, version)) component.built.delete(version);
  leaveLock(context);
  room.changed(component, `${version} is not what was signed`);
}

function* check(context: TaskContext): Work {
  const { room, component, version } = context;
  loadContract(context, version);
  yield room.duration(60);
  needDisk(room, 73, "cannot-create");
  // guard P3: bytes that are not what was signed are no version.
  if (!component.built.has(version) || component.damaged.has(version)) {
    yield* disown(context);
    throw new TaskFailure(65, "verify-failed", "a file differs");
  }
  const failure = room.failure(component.name, version, "check");
  if (failure !== undefined) throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
  return "verified";
}

function* health(context: TaskContext): Work {
  const { room, component, version } = context;
  loadContract(context, version);
  yield room.duration(150);
  const failure = room.failure(component.name, version, "health");
  if (failure !== undefined) throw new TaskFailure(failure.exitCode, failure.reason, `${version} answers 503`);
  return "healthy";
}

/** Waits for the same run's do, or undo, of this task that is still at work. */
function* hookAlone(context: TaskContext): Work<void> {
  const { room, component, self, options } = context;
  const key = `${trialRun(context)} ${options.name} ${options.target}`;
  const until = room.uptime() + 315_000;
  for (let other = component.hooks.get(key); other?.isAlive; other = component.hooks.get(key)) {
    if (room.uptime() >= until) throw new TaskFailure(75, "task-busy", `task ${options.name} is still at work`);
    yield 50;
  }
  component.hooks.set(key, self);
}

function* hook(context: TaskContext): Work {
  const { room, component, version, options } = context;
  const { hooks } = loadContract(context, version);
  yield* hookAlone(context);
  const name = options.name ?? "";
  refuseGoneBack(context, hooks.get(name)?.at);
  yield room.duration(80);
  if (!hooks.has(name)) throw new TaskFailure(69, "no-such-task", `the contract has no task ${name}`);
  backupBegins(component, { run: trialRun(context), name: beganAs(options) });
  const failure = room.failure(component.name, version, `hook:${name}`);
  if (failure !== undefined) throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
  return "ran";
}

/** guard P4: what comes after a switch would change data that has been put back. A person is obeyed. */
function refuseGoneBack(context: TaskContext, at: TaskPlace | undefined): void {
  const { component, step } = context;
  const isBack = component.trial?.state === "reverting" || component.trial?.state === "reverted";
  if (!isBack || component.trial?.run !== trialRun(context) || step.startsWith("by-hand.")) return;
  if (at === "after-switch" || at === "finish") throw new TaskFailure(66, "reverted", `${component.name} went back`);
}

function beganAs({ name, target }: TaskContext["options"]): string {
  return [name, target].filter((word) => word !== undefined).join(".");
}

function* hookUndo(context: TaskContext): Work {
  const { room, component, version, options } = context;
  const { hooks } = loadContract(context, version);
  // Also where there is none: what puts its data back comes after this.
  yield* hookAlone(context);
  if (!hooks.get(options.name ?? "")?.hasUndo) return "nothing-to-undo";
  yield room.duration(40);
  backupUnbegun(component, { run: trialRun(context), name: beganAs(options) });
  return "undone";
}
