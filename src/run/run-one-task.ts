// `cutover step`: one task of one host, and no more. What the journal keeps lets a run go on at full pace afterwards.
import type { Host } from "../model/fleet.ts";
import type { HostWork, Step } from "../model/plan.ts";
import { type HostStepContext, reopen, takeTurn } from "./run-host-step.ts";
import { placeOf, type RunState, taskKey, turnOf } from "./run-state.ts";

export interface OneTaskInput {
  readonly step: Step;
  readonly work: HostWork;
  readonly host: Host;
  readonly state: RunState;
}

/** Resolves when the next task of the host has ended, or, of a step that was handed over whole, all that is left of it. */
export async function runOneTask(context: HostStepContext, input: OneTaskInput): Promise<void> {
  const { step, work, host, state } = input;
  const next = nextTurn(input);
  if (next !== undefined) await reopen(context, { step: step.id, host: host.name, ...next });
  const turn = next === undefined ? turnOf(state, step.id, host.name) : context.turnOf(step.id, host.name);
  const result = await takeTurn(context, { step, work, host, turn });
  const { outcome, evidence } = result;
  if (outcome === "not-begun") return;
  if (result.outcome === "done" && (turn?.rest.length ?? 0) > 0) return;
  await context.record({ kind: "host-ended", step: step.id, host: host.name, outcome, evidence });
}

/** Undefined when the newest turn has not ended yet, as after a crash, or there is nothing to cut up any more. */
function nextTurn({
  step,
  work,
  host,
  state,
}: OneTaskInput): { turn: number; tasks: string[]; rest: string[] } | undefined {
  const turn = turnOf(state, step.id, host.name);
  if (turn === undefined && state.submitted.has(placeOf(step.id, host.name))) return undefined;
  if (turn !== undefined && !turn.tasks.every((key) => isDone(state, key)) && turn.tasks.length === 1) return undefined;
  const left =
    turn === undefined
      ? work.groups.flat().map(taskKey)
      : [...(turn.tasks.every((key) => isDone(state, key)) ? [] : turn.tasks), ...turn.rest];
  const [first, ...rest] = left;
  return first === undefined ? undefined : { turn: (turn?.number ?? 0) + 1, tasks: [first], rest };
}

function isDone(state: RunState, key: string): boolean {
  const [id = "", action] = key.split(" ");
  return state.tasks.get(id)?.state === (action === "undo" ? "undone" : "done");
}
