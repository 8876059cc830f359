// Which hosts of a run are not well, word by word of its journal. Pure but for the set that it keeps.
import type { EventBody } from "../model/run-event.ts";

/** The kinds of events that say so. */
export const unwellKinds = ["host-ended", "host-left-out", "host-reopened"] as const;

/** Hosts that failed, fell silent or had to be left out (P9), after one more event. */
export function noteUnwell(unwell: Set<string>, event: EventBody): void {
  if (event.kind === "host-left-out") unwell.add(event.host);
  else if (event.kind === "host-reopened") unwell.delete(event.host);
  else if (event.kind !== "host-ended") return;
  else if (event.outcome === "done") unwell.delete(event.host);
  else unwell.add(event.host);
}
