// The run as a pure machine: events in, state out, and from the state alone what to do next. Crash recovery is
// replaying the journal through `reduce` and asking `decide` again. Collections are persistent: an event costs the same
// whether the run has ten hosts or ten thousand.
import { Map as KeptMap, Set as KeptSet } from "immutable";
import type { Host } from "../model/fleet.ts";
import type { Plan, Step } from "../model/plan.ts";
import type { EventBody, RunOutcome } from "../model/run-event.ts";
import type { Task, TaskState } from "../model/task.ts";
import { makeRollback } from "../plan/make-rollback.ts";
import { type BadVersion, badVersions } from "./bad-versions.ts";

export interface TaskRecord {
  readonly state: TaskState;
  readonly reason: string;
  readonly evidence: string;
  readonly durationMs: number;
}
export type HostOutcome = "done" | "failed" | "unknown";

export interface RunState {
  readonly plan: Plan | undefined;
  readonly commit: string;
  readonly generation: string;
  readonly fleet: readonly Host[];
  readonly tasks: KeptMap<string, TaskRecord>;
  /** Keyed by `step/host`. */
  readonly hosts: KeptMap<string, HostOutcome>;
  /** Hosts of a step whose newest outcome is not `done`, keyed by step. */
  readonly notDone: KeptMap<string, KeptSet<string>>;
  /** Keyed by `step/host`: the host has the task list of the step, so any of it may have run. */
  readonly submitted: KeptSet<string>;
  /** What became of patches, keyed by `step/host/component`: the word with which the host refused it, empty while it has not. */
  readonly patches: KeptMap<string, string>;
  /** Hosts that the run goes on without. */
  readonly leftOut: KeptSet<string>;
  readonly startedSteps: KeptSet<string>;
  readonly endedSteps: KeptSet<string>;
  /** How many of the steps in force, from the first one on, have ended. */
  readonly position: number;
  readonly rollback: { readonly steps: readonly Step[]; readonly reason: string; readonly by: string } | undefined;
  readonly quarantined: KeptSet<string>;
  readonly outcome: RunOutcome | undefined;
  readonly reason: string;
}

export type Effect =
  | { readonly kind: "start-step"; readonly step: Step }
  /** Do or resume the step on these hosts; hosts that ended are not named again. */
  | { readonly kind: "run-step"; readonly step: Step; readonly hosts: readonly string[] }
  | { readonly kind: "end-step"; readonly step: Step; readonly soakSeconds: number }
  | {
      readonly kind: "roll-back";
      readonly scope: "batch" | "release";
      readonly reason: string;
      readonly bad: readonly BadVersion[];
    }
  /** Silent hosts that the run may do without: they have not switched yet, or the failure budget allows it. */
  | { readonly kind: "leave-out"; readonly step: Step; readonly hosts: readonly string[]; readonly reason: string }
  /** Silent hosts that may be on a new version: nothing more switches until they answer, or an operator holds them. */
  | { readonly kind: "wait"; readonly step: Step; readonly hosts: readonly string[] }
  | {
      readonly kind: "end";
      readonly outcome: RunOutcome;
      readonly reason: string;
      /** To be quarantined with the end: a run that stops without a way back must not start again by itself (P16). */
      readonly bad: readonly BadVersion[];
    };

export const initialRunState: RunState = {
  plan: undefined,
  commit: "",
  generation: "",
  fleet: [],
  tasks: KeptMap(),
  hosts: KeptMap(),
  notDone: KeptMap(),
  submitted: KeptSet(),
  patches: KeptMap(),
  leftOut: KeptSet(),
  startedSteps: KeptSet(),
  endedSteps: KeptSet(),
  position: 0,
  rollback: undefined,
  quarantined: KeptSet(),
  outcome: undefined,
  reason: "",
};

/** Applies one event. Events that change nothing here (bytes, publications) return the same state. */
export function reduce(state: RunState, event: EventBody, run: string): RunState {
  switch (event.kind) {
    case "run-planned":
      return {
        ...initialRunState,
        plan: event.plan,
        commit: event.commit,
        generation: event.generation,
        fleet: event.fleet,
      };
    case "step-started":
      return { ...state, startedSteps: state.startedSteps.add(event.step) };
    case "submitted":
      return { ...state, submitted: state.submitted.add(`${event.step}/${event.host}`) };
    case "delivered":
      return event.base === undefined ? state : withPatch(state, event, "");
    case "patch-refused":
      return withPatch(state, event, event.reason);
    case "task":
      return { ...state, tasks: withTask(state, event) };
    case "host-ended":
      return withHostEnded(state, event);
    case "host-left-out":
      return { ...state, leftOut: state.leftOut.add(event.host) };
    case "step-ended":
      return advanced({ ...state, endedSteps: state.endedSteps.add(event.step) });
    case "rollback-started": {
      const rollback = { steps: rollbackSteps(state, event, run), reason: event.reason, by: event.by };
      return advanced({ ...state, rollback, position: 0 });
    }
    case "quarantined":
      return { ...state, quarantined: state.quarantined.add(`${event.component}@${event.tree}`) };
    case "run-ended":
      return { ...state, outcome: event.outcome, reason: event.reason };
    default:
      return state;
  }
}

interface PatchPlace {
  readonly step: string;
  readonly host: string;
  readonly component: string;
}

function withPatch(state: RunState, { step, host, component }: PatchPlace, refused: string): RunState {
  return { ...state, patches: state.patches.set(`${step}/${host}/${component}`, refused) };
}

/** The word with which a host refused a patch that it was sent in this step, empty when it has not; undefined when it was sent none. */
export function patchOf({ patches }: RunState, { step, host, component }: PatchPlace): string | undefined {
  return patches.get(`${step}/${host}/${component}`);
}

function withTask(state: RunState, { event }: Extract<EventBody, { kind: "task" }>): RunState["tasks"] {
  const { reason, evidence, durationMs } = event;
  // An undo that never ran leaves the task as it was: a drained host stays to be undrained by the rollback.
  if (event.action === "undo" && event.state === "skipped") return state.tasks;
  const reached: TaskState = event.action === "undo" && event.state === "done" ? "undone" : event.state;
  return state.tasks.set(event.task, { state: reached, reason, evidence, durationMs });
}

function withHostEnded(state: RunState, event: Extract<EventBody, { kind: "host-ended" }>): RunState {
  const { step, host, outcome } = event;
  const before = state.notDone.get(step) ?? KeptSet<string>();
  const notDone = state.notDone.set(step, outcome === "done" ? before.delete(host) : before.add(host));
  return { ...state, notDone, hosts: state.hosts.set(`${step}/${host}`, outcome) };
}

/** The steps in force: those of the plan, or of the way back once there is one. */
function stepsOf({ plan, rollback }: RunState): readonly Step[] {
  return rollback?.steps ?? plan?.steps ?? [];
}

function advanced(state: RunState): RunState {
  const steps = stepsOf(state);
  let position = state.position;
  for (let step = steps[position]; step !== undefined && state.endedSteps.has(step.id); step = steps[position])
    position += 1;
  return { ...state, position };
}

/** What to do next, from the state alone; undefined when the run has ended. */
export function decide(state: RunState): Effect | undefined {
  if (state.plan === undefined || state.outcome !== undefined) return undefined;
  const step = stepsOf(state)[state.position];
  if (step !== undefined) return decideIn(state, step);
  return state.rollback ? end("rolled-back", state.rollback.reason) : decideEnd(state);
}

/** Done means every host (P10); the others may well be done, but the run is not. */
function decideEnd({ leftOut }: RunState): Effect {
  if (leftOut.size === 0) return end("done", "every host read back");
  return end("stuck", `left out: ${[...leftOut].sort().join(", ")}; every other host read back`);
}

function end(outcome: RunOutcome, reason: string, bad: readonly BadVersion[] = []): Effect {
  return { kind: "end", outcome, reason, bad };
}

/** Past the failure budget, hosts of a switch step that did not take it yet are left out, also within a batch (P9). */
function decideIn(state: RunState, step: Step): Effect {
  if (!state.startedSteps.has(step.id)) return { kind: "start-step", step };
  const outcomes = step.work
    .filter(({ host }) => !state.leftOut.has(host))
    .map(({ host }) => ({ host, outcome: state.hosts.get(`${step.id}/${host}`) }));
  const spent = isBudgetSpent(state, step);
  const open = outcomes
    .filter(({ host, outcome }) => outcome === undefined && (!spent || state.submitted.has(`${step.id}/${host}`)))
    .map(({ host }) => host);
  if (open.length > 0) return { kind: "run-step", step, hosts: open };
  const failed = outcomes.filter(({ outcome }) => outcome === "failed").map(({ host }) => host);
  const unknown = outcomes.filter(({ outcome }) => outcome === "unknown").map(({ host }) => host);
  if (failed.length > 0) return decideFailure(state, step, failed);
  if (unknown.length > 0) return decideSilence(state, step, { silent: unknown, all: outcomes.length });
  return { kind: "end-step", step, soakSeconds: step.soakSeconds };
}

/**
 * Whether `decide` would still name this host of this step in a `run-step`. Costs the same however many hosts the step has:
 * the driver asks for each of them.
 */
export function isStillToRun(state: RunState, step: Step, host: string): boolean {
  const place = `${step.id}/${host}`;
  return (
    state.plan !== undefined &&
    state.outcome === undefined &&
    stepsOf(state)[state.position]?.id === step.id &&
    state.startedSteps.has(step.id) &&
    !state.leftOut.has(host) &&
    !state.hosts.has(place) &&
    (!isBudgetSpent(state, step) || state.submitted.has(place))
  );
}

/** So many hosts of this switch failed or fell silent that no further one may begin. */
function isBudgetSpent(state: RunState, step: Step): boolean {
  if (step.kind !== "switch" || state.rollback !== undefined) return false;
  const bad = state.notDone.get(step.id)?.count((host) => !state.leftOut.has(host)) ?? 0;
  return bad > (state.plan?.failureBudget ?? 0);
}

/** When nobody answers, the trouble is likely on our side of the wire: then the run waits, whatever the budget says. */
function decideSilence(
  state: RunState,
  step: Step,
  { silent: hosts, all }: { silent: readonly string[]; all: number },
): Effect {
  const unmoved = step.kind === "distribute" || step.kind === "check";
  const tolerated = state.leftOut.size + hosts.length <= (state.plan?.failureBudget ?? 0);
  if (state.rollback || hosts.length === all || !(unmoved || tolerated)) return { kind: "wait", step, hosts };
  return {
    kind: "leave-out",
    step,
    hosts,
    reason: unmoved ? "silent before it switched" : "within the failure budget",
  };
}

/** Events that let an open run go on without the silent hosts that an operator put on hold. */
export function leaveOutHeld(state: RunState, holds: ReadonlyMap<string, string>): EventBody[] {
  const effect = decide(state);
  if (effect?.kind !== "wait") return [];
  const held = effect.hosts.filter((host) => holds.has(host));
  return held.map((host) => ({ kind: "host-left-out", step: effect.step.id, host, reason: holds.get(host) ?? "held" }));
}

function decideFailure(state: RunState, step: Step, failed: readonly string[]): Effect {
  const policy = state.plan?.rollbackPolicy ?? "auto";
  const reason = `${step.id} failed on ${failed.join(", ")}`;
  if (state.rollback) return end("stuck", `rollback: ${reason}`);
  if (step.kind !== "switch" && step.kind !== "confirm") return end("stuck", reason);
  const bad = badVersions(state, step);
  if (policy === "manual") return end("stuck", `${reason}; rollback_policy is manual`, bad);
  return { kind: "roll-back", scope: policy === "release" ? "release" : "batch", reason, bad };
}

function rollbackSteps(state: RunState, event: Extract<EventBody, { kind: "rollback-started" }>, run: string): Step[] {
  const switched = (state.plan?.steps ?? []).filter(
    (step) => step.kind === "switch" && state.startedSteps.has(step.id),
  );
  const steps = event.scope === "release" ? switched : switched.slice(-1);
  const places = placesOf(steps);
  return makeRollback({
    steps,
    run,
    reason: event.by === "cutover" ? "failed" : "operator",
    stateOf: (task: Task) => state.tasks.get(task.id)?.state ?? startedState(state, places.get(placeKey(task)) ?? ""),
  });
}

const placeKey = ({ id, action }: Pick<Task, "id" | "action">): string => `${id} ${action}`;

/** Task → `step/host` of the first step that holds it. */
function placesOf(steps: readonly Step[]): Map<string, string> {
  const places = new Map<string, string>();
  for (const step of steps)
    for (const { groups } of step.work)
      for (const task of groups.flat())
        if (!places.has(placeKey(task))) places.set(placeKey(task), `${step.id}/${task.host}`);
  return places;
}

/** A task nobody reported on may have run, unless its host ended without ever taking the step: unknown is a state of its own (P7). */
function startedState(state: RunState, place: string): TaskState {
  return state.hosts.get(place) === "failed" && !state.submitted.has(place) ? "pending" : "unknown";
}
