// Why a run has not ended, in the words of a status: a gate, a decision, silent hosts, or nobody drives it on just now. One place
// says it for the published status, `status`, `plan`, `step` and what a pass came to.
import type { RunId } from "../model/run-event.ts";
import { decide } from "../run/decide.ts";
import { isLeftToSteps } from "../run/pace.ts";
import { type RunState, stepsOf } from "../run/run-state.ts";
import { nextForSilent } from "../status/silent-words.ts";
import { type PersonTrouble, personTrouble } from "./person-trouble.ts";
import { nextOf } from "./tasks/describe-run.ts";

export interface OpenTrouble {
  /** `HostUnknown`: nobody knows what became of a host. `BudgetSpent`: by other runs of the release. `RunOpen`: it goes on by itself, or with the next step that is asked for. */
  readonly reason: PersonTrouble["reason"] | "HostUnknown" | "BudgetSpent" | "RunOpen";
  readonly message: string;
  /** The next command. */
  readonly next: string;
  /** A running `serve` goes on with it; one that somebody steps through it leaves to them. */
  readonly goesOnByItself?: boolean;
}

/** Undefined for a run that has ended. */
export function openTrouble({
  run,
  state,
}: {
  readonly run: RunId;
  readonly state: RunState;
}): OpenTrouble | undefined {
  if (state.outcome !== undefined) return undefined;
  const waits = personTrouble({ run, state });
  if (waits !== undefined) return waits;
  const effect = decide(state);
  if (effect?.kind === "wait") {
    const hosts = effect.hosts.join(", ");
    const message = `run ${run} waits for ${hosts}, silent since ${effect.step.id}; nothing more that it holds switches until there is word`;
    return { reason: "HostUnknown", message, next: nextForSilent(effect.hosts) };
  }
  const pauses = pauseTrouble({ run, state });
  if (pauses !== undefined) return pauses;
  const next = nextOf({ run, state }) ?? "";
  const step = stepsOf(state)[state.position]?.id;
  const where = step === undefined ? "all its steps have" : `it is at ${step}`;
  const message = `run ${run} has not ended; ${where}`;
  return { reason: "RunOpen", message, next, goesOnByItself: !isLeftToSteps(state) };
}

/** Undefined unless it waits for other runs of its release. What is to be done is to be done in these. */
export function pauseTrouble({
  run,
  state,
}: {
  readonly run: RunId;
  readonly state: RunState;
}): OpenTrouble | undefined {
  const effect = decide(state);
  if (effect?.kind !== "pause") return undefined;
  const next = `cutover task list ${effect.runs[0] ?? run} --open`;
  return { reason: "BudgetSpent", message: `run ${run} waits: ${effect.reason}`, next };
}

/** Hosts that the run waits for, silent in the middle of it; empty when it waits for none. */
export function awaitedHosts(state: RunState): readonly string[] {
  const effect = state.outcome === undefined ? decide(state) : undefined;
  return effect?.kind === "wait" ? effect.hosts : [];
}
