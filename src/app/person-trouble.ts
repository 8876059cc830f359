// What an open run waits for that only a person can give: a gate, or a decision about what failed. For statuses and results.
import type { RunId } from "../model/run-event.ts";
import { decide } from "../run/decide.ts";
import type { RunState } from "../run/run-state.ts";

export interface PersonTrouble {
  readonly reason: "GateClosed" | "DecisionNeeded";
  readonly message: string;
  /** The next command. */
  readonly next: string;
}

/** Undefined for a run that has ended, goes on by itself, or waits for hosts. */
export function personTrouble({
  run,
  state,
}: {
  readonly run: RunId;
  readonly state: RunState;
}): PersonTrouble | undefined {
  const effect = decide(state);
  if (effect?.kind !== "hold") return undefined;
  const { gate } = effect.step;
  if (gate === undefined)
    return {
      reason: "DecisionNeeded",
      message: `run ${run} waits for a person: ${effect.reason}`,
      next: `cutover task list ${run} --open`,
    };
  const next = `cutover gate open ${run} ${gate.name} --reason …`;
  return { reason: "GateClosed", message: `run ${run} waits at gate ${gate.name}: ${gate.reason}`, next };
}
