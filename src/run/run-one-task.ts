// `cutover step`: one task of one host, and no more. What the journal keeps lets a run go on at full pace afterwards.
import type { Host } from "../model/fleet.ts";
import type { HostWork, Step } from "../model/plan.ts";
import { type HostStepContext, reopen, takeTurn } from "./run-host-step.ts";
import { isBetween, placeOf, type RunState, taskKey, turnOf } from "./run-state.ts";

export interface OneTaskInput {
  readonly step: Step;
  readonly work: HostWork;
  readonly host: Host;
  readonly state: RunState;
}

/** Resolves when the next task of the host has ended, or, of a step that was handed over whole, all that is left of it. */
export async function runOneTask(context: HostStepContext, input: OneTaskInput): Promise<void> {
  const { step, work, host } = input;
  const next = nextTurn(input);
  if (next !== undefined) await reopen(context, { step: step.id, host: host.name, ...next });
  /** Where the host has done a part of what it was handed over, reading that back was the whole of this step (P12). */
  const cut = (left: readonly string[]) => {
    const handed = context.turnOf(step.id, host.name)?.tasks ?? work.groups.flat();
    return left.length < handed.length ? { tasks: [], rest: left } : firstOf(left);
  };
  const { turn, ...result } = await takeTurn(context, { step, work, host, cut });
  const { outcome, evidence } = result;
  if (outcome === "not-begun") return;
  if (result.outcome === "done" && (turn?.rest.length ?? 0) > 0) return;
  await context.record({ kind: "host-ended", step: step.id, host: host.name, outcome, evidence });
}

/** Undefined when there is nothing to cut: what was handed over whole, or has not been read back yet, goes on as it is. */
function nextTurn({
  step,
  work,
  host,
  state,
}: OneTaskInput): { turn: number; tasks: string[]; rest: string[] } | undefined {
  const turn = turnOf(state, step.id, host.name);
  const place = placeOf(step.id, host.name);
  if (turn === undefined && (state.submitted.has(place) || state.hosts.get(place) === "unknown")) return undefined;
  if (turn !== undefined && !isBetween(state, step.id, host.name)) return undefined;
  const left = turn?.rest ?? work.groups.flat().map(taskKey);
  if (left.length === 0) return undefined;
  return { turn: (turn?.number ?? 0) + 1, ...firstOf(left) };
}

/** What of a turn is handed over at once where somebody steps through the run, and what is left for the next step. */
export function firstOf(left: readonly string[]): { tasks: string[]; rest: string[] } {
  const [first] = left;
  if (first === undefined) return { tasks: [], rest: [] };
  // A host that refuses a patch gets the full artifact in the same turn: bytes and build are not told apart.
  const tasks = [
    first,
    ...left.filter((key) => key === first.replace(/\/distribute do$/, "/build do") && key !== first),
  ];
  return { tasks, rest: left.filter((key) => !tasks.includes(key)) };
}
