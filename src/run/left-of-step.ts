// What is left of a step on one host, by the journal's own words. Pure.
import type { HostWork } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task, TaskEvent } from "../model/task.ts";
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
  const back = takenBack(events, work);
  const tasks = work.groups.flat().filter((task) => !skipped.has(task.id));
  const isDone = (key: string) => ended.get(key) === "done";
  // What the step itself undid after all, such as a drain, nobody took back.
  const isMissing = (id: string) => back.has(id) && !isDone(`${id} undo`);
  const isLeft = (id: string) => isMissing(id) || !isDone(`${id} do`);
  const left = new Set(tasks.flatMap(({ id, action }) => (action === "do" && isLeft(id) ? [id] : [])));
  // What is done again is undone again.
  return tasks.filter(({ id, action }) => left.has(id) || (action === "undo" && !isDone(`${id} undo`))).map(taskKey);
}

function endedTasks(events: readonly EventBody[], step: string, host: string): Map<string, TaskEvent["state"]> {
  const ended = new Map<string, TaskEvent["state"]>();
  for (const event of events) {
    if (!("step" in event) || event.step !== step || !("host" in event) || event.host !== host) continue;
    if (event.kind === "host-reopened") for (const key of [...event.tasks, ...event.rest]) ended.delete(key);
    if (event.kind !== "task" || event.event.state === "running") continue;
    ended.set(`${event.event.task} ${event.event.action}`, event.event.state);
  }
  return ended;
}

export function skippedTasks(events: readonly EventBody[]): Set<string> {
  return new Set(events.flatMap((event) => (event.kind === "task-skipped" ? [event.task] : [])));
}

/** What an operator's own steps undid, or tried to, and neither they nor the step itself have done since. */
function takenBack(events: readonly EventBody[], work: HostWork): Set<string> {
  const versions = new Map(work.groups.flat().map(({ id, version }) => [id, version]));
  // Run dry, or of another version, it says nothing about the task of the plan.
  const isMeant = ({ id, version, options }: Task) => options["dry-run"] === undefined && versions.get(id) === version;
  const added = new Map(
    events.flatMap((event) => {
      if (event.kind !== "step-added") return [];
      const tasks = event.step.work.flatMap(({ groups }) => groups.flat());
      return [[event.step.id, new Set(tasks.filter(isMeant).map(({ id }) => id))] as const];
    }),
  );
  const back = new Set<string>();
  for (const event of events) {
    if (event.kind !== "task" || event.host !== work.host) continue;
    const { task, action, state } = event.event;
    const byHand = added.get(event.step);
    if (byHand !== undefined && !byHand.has(task)) continue;
    if (action === "do" && state === "done") back.delete(task);
    if (action === "undo" && byHand !== undefined && (state === "done" || state === "failed")) back.add(task);
  }
  return back;
}
