// What a backup has saved is put back once: until it is saved anew its host switches nothing (`backup-spent`, P4). Pure.
import type { EventBody } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import type { RunState } from "./run-state.ts";

/** A backup that is to be made again, since what this run saved there was put back, and without which a switch of the run is refused. */
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
