// Whether a run that was left waiting for other runs of its release would go on now (P9). Pure.
import { decide } from "./decide.ts";
import type { RunState } from "./run-state.ts";
import { hearBeside, type UnwellBeside } from "./unwell-beside.ts";

/** `told`: what the others have used of the failure budget by now. One that waits for a host may be able to do without it then. */
export function isFreed(state: RunState, told: UnwellBeside): boolean {
  const waits = decide(state)?.kind;
  if (waits !== "pause" && waits !== "wait") return false;
  return decide(hearBeside(state, told))?.kind !== waits;
}
