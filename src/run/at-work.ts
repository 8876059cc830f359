// Whether a host may be doing something of a run just now: nothing is done by hand beside what nobody has read back (P7). Pure.
import type { Step } from "../model/plan.ts";
import { decide } from "./decide.ts";
import { isBetween, isMissingOn, placeOf, type RunState, turnOf } from "./run-state.ts";

/**
 * The step that the host may be doing, `own` first: the one whose task somebody asks for, which the host also is at when its turn is
 * still to come. Between two single steps of `cutover step` nothing is going on, nor while what is missing there keeps the host's turn.
 */
export function stepAtWork(state: RunState, host: string, own?: Step): Step | undefined {
  if (own !== undefined && isOpen(state, own, host)) return own;
  const open = (state.plan?.steps ?? []).filter((step) => step.work.some((work) => work.host === host) && isOpen(state, step, host)); // biome-ignore format: one line
  if (open.length === 0) return undefined;
  // Whoever steps through opens a turn before it is handed over, and a run that waits for a person has handed over nothing more.
  const isSaid = state.pace === "one-task" || decide(state)?.kind === "hold";
  return open.find(({ id }) => !isSaid || wasHandedOver(state, id, host));
}

function isOpen(state: RunState, { id }: Step, host: string): boolean {
  const outcome = state.hosts.get(placeOf(id, host));
  if (outcome === "unknown") return true;
  if (outcome !== undefined || !state.startedSteps.has(id) || state.endedSteps.has(id)) return false;
  const isKept = isMissingOn(state, id, host) && turnOf(state, id, host)?.isBegun === false;
  return !isKept && !isBetween(state, id, host);
}

function wasHandedOver(state: RunState, step: string, host: string): boolean {
  const place = placeOf(step, host);
  return state.hosts.has(place) || state.submitted.has(place) || state.turns.has(place);
}
