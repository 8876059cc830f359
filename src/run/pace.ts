// How far a run is driven. Pure.
import { isAdded } from "./by-hand.ts";
import { decide } from "./decide.ts";
import type { Effect } from "./effect.ts";
import type { RunState } from "./run-state.ts";
import { readBacksByHand } from "./unread.ts";

/**
 * `one-task`: hands over the next task of the first host that has one, and resolves. `by-hand`: does what operators asked for by
 * hand, and leaves the run where it stands. `read-back`: the same, and first asks for what they ran before and nobody has read back.
 */
export type Pace = "run" | "one-task" | "by-hand" | "read-back";

/** Whether there is anything to do at this pace: a run that waits for a person for days is driven, and told of that, only where there is. */
export function goesOn(state: RunState, pace: Pace): boolean {
  const effect = decide(state);
  const isUnread = pace !== "by-hand" && readBacksByHand(state).length > 0;
  if (effect?.kind === "hold") return isUnread;
  return isUnread || pace === "run" || pace === "one-task" || (effect !== undefined && isByHand(state, effect));
}

/** Somebody steps through it, and a pass of `serve` has nothing to do in it: no other process writes into its journal. */
export function isLeftToSteps(state: RunState): boolean {
  return state.pace === "one-task" && state.rollback === undefined && !goesOn(state, "read-back");
}

/** What operators asked for themselves. */
export function isByHand(state: RunState, effect: Effect): boolean {
  return "step" in effect && typeof effect.step === "object" && isAdded(state, effect.step.id);
}
