// Which hosts of a run are not well, word by word of its journal. Pure but for the map that it keeps.
import type { EventBody } from "../model/run-event.ts";

/** The kinds of events that say so. */
export const unwellKinds = ["host-ended", "host-left-out", "host-reopened", "step-ended"] as const;

/** Host → in which of its steps it did not do well. */
export type Unwell = Map<string, ReadonlySet<string>>;

/** In place of a step: the run goes on without the host. */
export const leftOut = "left out";
/** The same, and it keeps its place in the failure budget. */
export const leftInBudget = "left out within the failure budget";

/** Hosts that failed, fell silent or had to be left out (P9), after one more event. What went well elsewhere, such as a look by hand, mends nothing. */
export function noteUnwell(unwell: Unwell, event: EventBody): void {
  if (event.kind === "host-left-out") add(unwell, event.host, event.inBudget ? leftInBudget : leftOut);
  else if (event.kind === "host-reopened") mend(unwell, event.step, event.host);
  // A host that was silent over a look is not asked for that again; what leaves something there ends once it is read back.
  else if (event.kind === "step-ended" && isByHand(event.step))
    for (const host of [...unwell.keys()]) mend(unwell, event.step, host);
  else if (event.kind === "host-ended") {
    const { step, host, outcome } = event;
    // What a person tried by hand, and failed, says nothing of how the run leaves the host.
    const isWell = outcome === "done" || (outcome === "failed" && isByHand(step));
    if (isWell) mend(unwell, step, host);
    else add(unwell, host, step);
  }
}

function isByHand(step: string): boolean {
  return step.startsWith("by-hand.");
}

/** By its name, as hosts know it. */
export function isWayBack(step: string): boolean {
  return step.startsWith("rollback.");
}

function add(unwell: Unwell, host: string, step: string): void {
  unwell.set(host, new Set([...(unwell.get(host) ?? []), step]));
}

/** A way back that went well takes back whatever went badly before it. */
function mend(unwell: Unwell, step: string, host: string): void {
  const isOver = (bad: string) => bad !== leftOut && bad !== leftInBudget && (bad === step || isWayBack(step));
  const left = [...(unwell.get(host) ?? [])].filter((bad) => !isOver(bad));
  if (left.length === 0) unwell.delete(host);
  else unwell.set(host, new Set(left));
}
