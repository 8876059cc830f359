// What is known of a run: everything that its journal says, and nothing else. Collections are persistent: an event costs
// the same whether the run has ten hosts or ten thousand. Pure.
import { Map as KeptMap, Set as KeptSet } from "immutable";
import type { Host } from "../model/fleet.ts";
import type { Plan, Step } from "../model/plan.ts";
import type { RestorePoint, RestorePointProblem } from "../model/restore-point.ts";
import type { RunOutcome } from "../model/run-event.ts";
import type { TaskAction, TaskId, TaskState } from "../model/task.ts";
import { noneBeside, type UnwellBeside } from "./unwell-beside.ts";

export interface TaskRecord {
  readonly state: TaskState;
  readonly reason: string;
  readonly evidence: string;
  readonly durationMs: number;
}

export type HostOutcome = "done" | "failed" | "unknown";

/** How a task ended, by the word of one step: of the plan, or an operator's own. */
export interface Told {
  readonly step: string;
  readonly action: TaskAction;
  /** `unknown`: an operator's own step that did not end well, and told nothing of it. */
  readonly state: "done" | "failed" | "skipped" | "unknown";
}

/** A host that goes through a step once more, or task by task. */
export interface Turn {
  /** Counts from 1; the first go has none. */
  readonly number: number;
  /** `ID ACTION` of what is handed over. */
  readonly tasks: readonly string[];
  /** What is still to come after that, in a turn of its own. */
  readonly rest: readonly string[];
  /** The host has it, or has told of a task of it; else it may still be handed over as a whole. */
  readonly isBegun: boolean;
}

/** A task bundle that was mended after the host had got its version. */
export interface OwedBundle {
  readonly step: string;
  readonly host: string;
  /** `ID ACTION` of what brings it. */
  readonly tasks: readonly string[];
}

/** How far a run has come with its restore point. */
export interface RestorePointState {
  /** Number of the newest try. */
  readonly begun: number;
  readonly taken: RestorePoint | undefined;
  /** Of the newest try that was torn. */
  readonly problems: readonly RestorePointProblem[];
}

export interface WayBack {
  readonly steps: readonly Step[];
  readonly reason: string;
  readonly by: string;
  /** Counts the ways back of the run, from 1: each time that one is asked for, it is planned anew. */
  readonly nth: number;
}

export interface RunState {
  readonly plan: Plan | undefined;
  readonly commit: string;
  readonly generation: string;
  readonly fleet: readonly Host[];
  /** `one-task`: whoever took it up last steps through it; what is asked for by hand meanwhile does not drive it further. */
  readonly pace: "run" | "one-task";
  readonly tasks: KeptMap<TaskId, TaskRecord>;
  /** In the order in which it was told; of a step and action the newest only, and nothing of what is to be done again. */
  readonly told: KeptMap<TaskId, readonly Told[]>;
  /** Tasks that stand otherwise than the plan left them, since a person ran or undid them, by the step that waits for them. */
  readonly missing: KeptMap<TaskId, string>;
  /** Signed away: nobody does them in this run. */
  readonly skipped: KeptSet<TaskId>;
  /** Keyed by `step/host`. */
  readonly hosts: KeptMap<string, HostOutcome>;
  /** Hosts of a step whose newest outcome is not `done`, keyed by step. */
  readonly notDone: KeptMap<string, KeptSet<string>>;
  /** Keyed by `step/host`: the host has the task list of the step, so any of it may have run. */
  readonly submitted: KeptSet<string>;
  /** Keyed by `step/host`; the newest turn. */
  readonly turns: KeptMap<string, Turn>;
  /** Keyed by `step/host` of the step that brought the version; empty unless the run was amended. */
  readonly owed: KeptMap<string, OwedBundle>;
  /** What became of patches, keyed by `step/host/component`: the word with which the host refused it, empty while it has not. */
  readonly patches: KeptMap<string, string>;
  /** Hosts that the run goes on without. */
  readonly leftOut: KeptSet<string>;
  /** Those of them that the failure budget let go. */
  readonly leftInBudget: KeptSet<string>;
  /** Hosts that count against the failure budget in other open runs of the release. */
  readonly beside: UnwellBeside;
  readonly startedSteps: KeptSet<string>;
  readonly endedSteps: KeptSet<string>;
  /** How many of the steps in force, from the first one on, have ended. */
  readonly position: number;
  /** An operator's own steps, in the order in which they were asked for. */
  readonly added: readonly Step[];
  readonly rollback: WayBack | undefined;
  /** Undefined while none was begun. */
  readonly restorePoint: RestorePointState | undefined;
  readonly quarantined: KeptSet<string>;
  readonly outcome: RunOutcome | undefined;
  readonly reason: string;
}

export const initialRunState: RunState = {
  plan: undefined,
  commit: "",
  generation: "",
  fleet: [],
  pace: "run",
  tasks: KeptMap(),
  told: KeptMap(),
  missing: KeptMap(),
  skipped: KeptSet(),
  hosts: KeptMap(),
  notDone: KeptMap(),
  submitted: KeptSet(),
  turns: KeptMap(),
  owed: KeptMap(),
  patches: KeptMap(),
  leftOut: KeptSet(),
  leftInBudget: KeptSet(),
  beside: noneBeside,
  startedSteps: KeptSet(),
  endedSteps: KeptSet(),
  position: 0,
  added: [],
  rollback: undefined,
  restorePoint: undefined,
  quarantined: KeptSet(),
  outcome: undefined,
  reason: "",
};

/** The steps in force: those of the plan, or of the way back once there is one. */
export function stepsOf({ plan, rollback }: Pick<RunState, "plan" | "rollback">): readonly Step[] {
  return rollback?.steps ?? plan?.steps ?? [];
}

/** Past all steps that have ended. */
export function advanced(state: RunState): RunState {
  const steps = stepsOf(state);
  const waiting = new Set(state.missing.values());
  const isPast = ({ id }: Step) => state.endedSteps.has(id) && !waiting.has(id);
  let position = state.position;
  for (let step = steps[position]; step !== undefined && isPast(step); step = steps[position]) position += 1;
  return { ...state, position };
}

export function placeOf(step: string, host: string): string {
  return `${step}/${host}`;
}

/** Hosts of the step whose newest outcome is not `done`, and those on which somebody changed by hand what it did. */
export function notDoneOf({ notDone, missing }: RunState, step: string): KeptSet<string> {
  const ended = notDone.get(step) ?? KeptSet<string>();
  if (missing.size === 0) return ended;
  const changed = missing.filter((at) => at === step).keySeq();
  return ended.union(changed.map((id) => id.split("/")[0] ?? ""));
}

/** The word with which a host refused a patch that it was sent in this step, empty when it has not; undefined when it was sent none. */
export function patchOf(
  { patches }: RunState,
  { step, host, component }: { readonly step: string; readonly host: string; readonly component: string },
): string | undefined {
  return patches.get(`${step}/${host}/${component}`);
}

/** What a host is to be handed over of a step, when that is not simply all of it. */
export function turnOf({ turns }: RunState, step: string, host: string): Turn | undefined {
  return turns.get(placeOf(step, host));
}

/** All of the newest turn is done, and its rest is to come: the host was handed nothing else. */
export function isBetween(state: RunState, step: string, host: string): boolean {
  const turn = turnOf(state, step, host);
  return turn !== undefined && turn.rest.length > 0 && turn.tasks.every((key) => isToldDone(state, step, key));
}

/** `ID ACTION` was done in the newest round of the step. */
export function isToldDone({ told }: RunState, step: string, key: string): boolean {
  const [id = "", action] = key.split(" ");
  return (told.get(id) ?? []).some((word) => word.step === step && word.action === action && word.state === "done");
}

/** The host has done the step, and nobody has changed by hand what it did. */
export function isDoneOn(state: RunState, step: string, host: string): boolean {
  return state.hosts.get(placeOf(step, host)) === "done" && !isMissingOn(state, step, host);
}

/** A task of this step stands otherwise there than the plan left it: the step waits for a person. */
export function isMissingOn({ missing }: RunState, step: string, host: string): boolean {
  return missing.size > 0 && missing.some((at, id) => at === step && id.startsWith(`${host}/`));
}

/** How tasks are told apart within a step: do and undo of one task may both be in it. */
export function taskKey({ id, action }: { readonly id: string; readonly action: string }): string {
  return `${id} ${action}`;
}
