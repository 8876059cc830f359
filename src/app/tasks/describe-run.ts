// How a run stands, in one word and one sentence. Pure.
import type { RunId, RunOutcome } from "../../model/run-event.ts";
import { decide } from "../../run/decide.ts";
import { type RunState, stepsOf } from "../../run/run-state.ts";
import { personTrouble } from "../person-trouble.ts";
import { isByHandAlone, isDry } from "./by-hand.ts";

export interface RunDescription {
  readonly outcome: RunOutcome | "open";
  readonly reason: string;
}

/** What becomes of the run next: it ended, goes on by itself, waits at a gate, for a decision, for hosts that do not answer, or for other runs. */
export type Standing = RunOutcome | "going" | "gate" | "decision" | "silent" | "paused";

export function standingOf(state: RunState): Standing {
  const effect = decide(state);
  if (effect === undefined) return state.outcome ?? "going";
  if (effect.kind === "hold") return effect.step.kind === "gate" ? "gate" : "decision";
  if (effect.kind === "pause") return "paused";
  return effect.kind === "wait" ? "silent" : "going";
}

export function describeRun(state: RunState): RunDescription {
  if (state.outcome !== undefined) return { outcome: state.outcome, reason: reasonOf(state) };
  const effect = decide(state);
  if (effect?.kind === "hold") return { outcome: "open", reason: `it waits for a person: ${effect.reason}` };
  if (effect?.kind === "wait")
    return { outcome: "open", reason: `it waits for ${effect.hosts.join(", ")}, silent since ${effect.step.id}` };
  if (effect?.kind === "pause") return { outcome: "open", reason: `it waits: ${effect.reason}` };
  const step = stepsOf(state)[state.position];
  return { outcome: "open", reason: step === undefined ? "it is about to end" : `the next step is ${step.id}` };
}

/** Why it ended. A run of one task reads nothing of a release back, and dry it did nothing. */
export function reasonOf({ plan, outcome, reason }: RunState): string {
  if (outcome !== "done" || plan === undefined || !isByHandAlone(plan)) return reason;
  const tasks = plan.steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  return tasks.some(isDry) ? "it was a dry run, which changes nothing" : "it did what was asked for, and nothing else";
}

/** The next command for a run that is open; undefined when it has ended. */
export function nextOf({ run, state }: { readonly run: RunId; readonly state: RunState }): string | undefined {
  if (state.outcome !== undefined) return undefined;
  const waits = personTrouble({ run, state });
  if (waits !== undefined) return waits.next;
  return state.pace === "one-task"
    ? "cutover step, or cutover reconcile --once for the rest"
    : "cutover reconcile --once goes on with it";
}
