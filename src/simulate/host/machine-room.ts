// What every part of a simulated host stands on: its truth, its time, its processes, what its contracts say, and whom it
// tells about what it does.
import type { TaskPlace } from "../../model/task.ts";
import type { FailingTask } from "../scenario.ts";
import type { ComponentTruth, HostTruth, Worker } from "./truth.ts";

/** A piece of work on the host: yields how many milliseconds pass, returns its evidence, or throws TaskFailure. */
export type Work<T = string> = Generator<number, T, void>;

/** How a task ends that does not succeed: exit code by meaning (64–78), stable word, evidence. */
export class TaskFailure extends Error {
  readonly exitCode: number;
  readonly reason: string;
  constructor(exitCode: number, reason: string, evidence: string) {
    super(evidence);
    this.exitCode = exitCode;
    this.reason = reason;
  }
}

/** The signed contract of a version, as far as the host acts on it. */
export interface SimulatedContract {
  readonly sequence: number;
  readonly floor: number;
  readonly deadlineSeconds: number;
  readonly hasDrain: boolean;
  readonly hasBackup: boolean;
  readonly hasHealth: boolean;
  /** What it keeps outside its versions becomes another when it starts. */
  readonly convertsData: boolean;
  /** Tasks of its bundle besides drain and checks, each with `do`; those with `undo` too. */
  readonly hooks: ReadonlyMap<string, { readonly hasUndo: boolean; readonly at?: TaskPlace | undefined }>;
}

export interface FailureWord {
  readonly exitCode: number;
  readonly reason: string;
}

export interface MachineRoom {
  readonly truth: HostTruth;
  /** Milliseconds since this host booted. */
  uptime(): number;
  contract(component: string, version: string): SimulatedContract;
  treeOf(component: string, version: string): string;
  /** Why this task fails here now, undefined when it does not. Asked once for each time it runs. */
  failure(component: string, version: string, task: FailingTask): FailureWord | undefined;
  /** How long something takes here, about. */
  duration(ms: number): number;
  /** Runs work as a process of this boot; `onEnd` hears how it ended, unless the host lost power. */
  start<T>(work: (self: Worker) => Work<T>, onEnd: (ending: Ending<T>) => void): Worker;
  /** Something on disk became another: promises are checked now. */
  changed(component: ComponentTruth, what: string): void;
}

export type Ending<T> =
  | { readonly kind: "returned"; readonly value: T }
  | { readonly kind: "failed"; readonly failure: TaskFailure }
  | { readonly kind: "killed" };

export interface TaskContext {
  readonly room: MachineRoom;
  readonly self: Worker;
  readonly component: ComponentTruth;
  readonly version: string;
  readonly run: string;
  readonly session: string;
  readonly step: string;
  readonly options: Readonly<Record<string, string>>;
}

/** A file is written only where there is room. */
export function needDisk(room: MachineRoom, exitCode: number, reason: string): void {
  if (room.truth.isDiskFull) throw new TaskFailure(exitCode, reason, "no space left on device");
}

/** host.sh acts on the contract that was kept when the version was built. */
export function loadContract({ room, component }: TaskContext, version: string): SimulatedContract {
  if (!component.releases.has(version))
    throw new TaskFailure(66, "version-not-built", `${component.name} ${version} is not built on this host`);
  return room.contract(component.name, version);
}

/** Waits for the component's lock; false when somebody else keeps it that long. */
export function* takeLock({ room, component, self }: TaskContext, seconds: number): Work<boolean> {
  const until = room.uptime() + seconds * 1_000;
  while (component.lock !== undefined && component.lock !== self && component.lock.isAlive) {
    if (room.uptime() >= until) return false;
    yield 50;
  }
  component.lock = self;
  return true;
}

export function leaveLock({ component, self }: Pick<TaskContext, "component" | "self">): void {
  if (component.lock === self) component.lock = undefined;
}
