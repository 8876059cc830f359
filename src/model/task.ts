// A task: the smallest unit of work, with do and undo, named `host/component/task`.

export const taskKinds = [
  "distribute",
  "build",
  "check",
  "backup",
  "drain",
  "switch",
  "health",
  "hook",
  "confirm",
  "commit",
] as const;
export type TaskKind = (typeof taskKinds)[number];

/** Where in a plan a contract's task has its place. */
export const taskPlaces = ["prepare", "before-switch", "after-switch", "finish"] as const;
export type TaskPlace = (typeof taskPlaces)[number];
export type TaskAction = "do" | "undo";
export type TaskId = string;

/** One task as data. Options are what the host is told beside the signed contract; it refuses any it does not know. */
export interface Task {
  readonly id: TaskId;
  readonly host: string;
  readonly component: string;
  readonly version: string;
  readonly kind: TaskKind;
  readonly action: TaskAction;
  readonly options: Readonly<Record<string, string>>;
}

export type TaskState = "pending" | "running" | "done" | "failed" | "undone" | "unknown" | "skipped";

/** Something of a task that reached this state may be on its host; nothing, of one that nobody told of. */
export function mayStand(state: TaskState = "pending"): boolean {
  return state !== "pending" && state !== "skipped" && state !== "undone";
}

/** What a host reports about one task of a step. `reason` is a stable word, `evidence` hostile text already capped. */
export interface TaskEvent {
  readonly task: TaskId;
  readonly action: TaskAction;
  readonly state: "running" | "done" | "failed" | "skipped";
  readonly durationMs: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly evidence: string;
}

export function taskId(host: string, component: string, task: string): TaskId {
  return [host, component, task].join("/");
}
