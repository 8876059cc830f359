// What host.sh gives a task, and nothing else (src/host/hook.sh), with the throw-away root before every absolute path.
import type { Component } from "../../model/component.ts";
import type { TaskAction } from "../../model/task.ts";
import type { Scratch } from "./scratch.ts";

export interface GivenToTask {
  readonly component: Component;
  readonly task: string;
  readonly action: TaskAction;
  /** Stands first on PATH. */
  readonly programs: string | undefined;
  /** Over what is made up here; the contract's own variables may be among them. */
  readonly facts: Readonly<Record<string, string>>;
}

export function taskEnvironment(
  { component, task, action, programs, facts }: GivenToTask,
  scratch: Scratch,
): Record<string, string> {
  const system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return {
    ...component.env,
    PATH: [...(programs === undefined ? [] : [programs]), system, process.env.PATH ?? ""].join(":"),
    LC_ALL: "C",
    HOME: "/",
    PYTHONDONTWRITEBYTECODE: "1",
    CUTOVER_COMPONENT: component.name,
    CUTOVER_VERSION: "2.0.0",
    CUTOVER_FROM: "1.0.0",
    CUTOVER_HOST: "test-host",
    CUTOVER_ADDRESS: "127.0.0.1",
    CUTOVER_RUN: "test-run",
    ...facts,
    CUTOVER_ROOT: scratch.root + component.root,
    CUTOVER_TASK: task,
    CUTOVER_ACTION: action,
    CUTOVER_STATE: scratch.state,
    CUTOVER_PREFIX: scratch.root,
    CUTOVER_UNITS: scratch.units,
    ...(component.backupTask === task ? { CUTOVER_BACKUP: scratch.backup } : {}),
    ...(component.backupTask === task && action === "do" ? { CUTOVER_MOMENT: `${scratch.own}/moment` } : {}),
  };
}
