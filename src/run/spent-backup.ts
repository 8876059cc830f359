// What a backup has saved is put back once, and is old when its switch is tried again: it is saved anew before that (P4). Pure.
import type { EventBody } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import type { RunState } from "./run-state.ts";

/** A backup that is to be made again, since what this run saved there was put back (its host switches nothing then) or is older than what was written since. */
export function isOwedToSwitch(
  { state: { plan }, events }: { readonly state: Pick<RunState, "plan">; readonly events: readonly EventBody[] },
  { id, kind, host, component }: Task,
): boolean {
  if (kind !== "backup") return false;
  const isSwitch = (task: Task) => task.kind === "switch" && task.host === host && task.component === component;
  const wasSaved = ({ task, action, state }: Extract<EventBody, { kind: "task" }>["event"]) => task === id && action === "do" && state === "done"; // biome-ignore format: one line
  const switches = (plan?.steps ?? []).some(({ work }) => work.some(({ groups }) => groups.flat().some(isSwitch)));
  return switches && events.some((event) => event.kind === "task" && wasSaved(event.event));
}
