// What is left of a step on one host, by the journal's own words. Pure.
import type { HostWork, Step } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import type { TaskEvent } from "../model/task.ts";
import { taskKey } from "./run-state.ts";

export interface LeftInput {
  readonly events: readonly EventBody[];
  readonly step: string;
  readonly work: HostWork;
}

/** `ID ACTION` of every task that is neither done nor skipped by hand, in the order of the step. */
export function leftOfStep({ events, step, work }: LeftInput): string[] {
  const ended = endedTasks(events, step, work.host);
  const skipped = skippedTasks(events);
  const undone = takenBack(events, work.host);
  return work.groups
    .flat()
    .filter((task) => !skipped.has(task.id))
    .filter((task) => ended.get(taskKey(task)) !== "done" || (task.action === "do" && undone.has(task.id)))
    .map(taskKey);
}

function endedTasks(events: readonly EventBody[], step: string, host: string): Map<string, TaskEvent["state"]> {
  const ended = new Map<string, TaskEvent["state"]>();
  for (const event of events) {
    if (!("step" in event) || event.step !== step || !("host" in event) || event.host !== host) continue;
    if (event.kind === "host-reopened") for (const key of event.tasks) ended.delete(key);
    if (event.kind !== "task" || event.event.state === "running") continue;
    ended.set(`${event.event.task} ${event.event.action}`, event.event.state);
  }
  return ended;
}

export function skippedTasks(events: readonly EventBody[]): Set<string> {
  return new Set(events.flatMap((event) => (event.kind === "task-skipped" ? [event.task] : [])));
}

function isDry({ work }: Step): boolean {
  return work.some(({ groups }) => groups.flat().some(({ options }) => options["dry-run"] !== undefined));
}

/** Tasks whose newest word is that an operator's own step undid them. */
function takenBack(events: readonly EventBody[], host: string): Set<string> {
  const added = new Set(events.flatMap((event) => (event.kind === "step-added" ? [event.step.id] : [])));
  const dry = new Set(events.flatMap((event) => (event.kind === "step-added" && isDry(event.step) ? [event.step.id] : []))); // biome-ignore format: one line
  const back = new Set<string>();
  for (const event of events) {
    if (event.kind !== "task" || event.host !== host || event.event.state !== "done" || dry.has(event.step)) continue;
    if (event.event.action === "do") back.delete(event.event.task);
    else if (added.has(event.step)) back.add(event.event.task);
  }
  return back;
}
