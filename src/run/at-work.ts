// Whether a host may be doing something of a run just now: nothing is done by hand beside what nobody has read back (P7). Pure.
import type { Step } from "../model/plan.ts";
import { isAdded } from "./by-hand.ts";
import { decide } from "./decide.ts";
import { isBetween, isMissingOn, placeOf, type RunState, stepsOf, turnOf } from "./run-state.ts";

/**
 * The step that the host may be doing, `own` first: the one whose task somebody asks for, which the host also is at while its turn is
 * still to come. Undefined between two single steps of `cutover step`.
 */
export function stepAtWork(state: RunState, host: string, own?: Step): Step | undefined {
  const isHeld = decide(state)?.kind === "hold";
  const isOpened = own !== undefined && turnOf(state, own.id, host)?.isBegun === false;
  if (own !== undefined && isOpen(state, own, host) && !(isHeld && isOpened)) return own;
  // A run that waits for a person has handed over nothing that it has not read back, and whoever steps through opens a turn first.
  const mayBeUntold = !isHeld && state.pace !== "one-task";
  // What a balancer does for another batch is about other hosts.
  const isBeside = ({ traffic, batch }: Step) => own?.traffic !== undefined && traffic !== undefined && batch !== own.batch; // biome-ignore format: one line
  return [...stepsOf(state), ...state.added].find(
    (step) =>
      !isBeside(step) &&
      step.work.some((work) => work.host === host) &&
      isOpen(state, step, host) &&
      (mayBeUntold || wasHandedOver(state, step.id, host)),
  );
}

function isOpen(state: RunState, { id }: Step, host: string): boolean {
  const outcome = state.hosts.get(placeOf(id, host));
  // An operator's own step ends without it only where the run goes on without the host.
  if (outcome === "unknown") return !(isAdded(state, id) && state.endedSteps.has(id));
  if (outcome !== undefined || !state.startedSteps.has(id) || state.endedSteps.has(id)) return false;
  // What is missing there keeps the host's turn.
  const isKept = isMissingOn(state, id, host) && turnOf(state, id, host)?.isBegun === false;
  return !isKept && !isBetween(state, id, host);
}

/** By the word of the journal; a turn that was only opened is not. */
function wasHandedOver(state: RunState, step: string, host: string): boolean {
  const turn = turnOf(state, step, host);
  return state.hosts.has(placeOf(step, host)) || (turn?.isBegun ?? state.submitted.has(placeOf(step, host)));
}
