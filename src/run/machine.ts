// The run as a pure machine: events in, state out. Crash recovery is replaying the journal through `reduce`, and asking
// `decide` (decide.ts) again what comes next.
import { Set as KeptSet } from "immutable";
import type { Plan, Step } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task, TaskState } from "../model/task.ts";
import { makeRollback } from "../plan/make-rollback.ts";
import { putBackStep } from "../plan/restore-point.ts";
import { initialRunState, placeOf, type RunState, stepsOf, taskKey } from "./run-state.ts";

type EventOf<Kind extends EventBody["kind"]> = Extract<EventBody, { kind: Kind }>;

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
      return { ...state, submitted: state.submitted.add(placeOf(event.step, event.host)) };
    case "delivered":
      return event.base === undefined ? state : withPatch(state, event, "");
    case "patch-refused":
      return withPatch(state, event, event.reason);
    case "task":
      return withTask(state, event);
    case "host-ended":
      return withHostEnded(state, event);
    case "host-left-out":
      return { ...state, leftOut: state.leftOut.add(event.host) };
    case "restore-point-begun":
      return { ...state, restorePoint: { begun: event.attempt, taken: undefined, problems: [] } };
    case "restore-point-taken":
      return { ...state, restorePoint: { begun: state.restorePoint?.begun ?? 1, taken: event.point, problems: [] } };
    case "restore-point-torn":
      return { ...state, restorePoint: { begun: state.restorePoint?.begun ?? 1, taken: undefined, problems: event.problems } }; // biome-ignore format: one line
    case "step-ended":
    case "gate-opened":
      return advanced({ ...state, endedSteps: state.endedSteps.add(event.step) });
    case "step-added":
      return { ...state, added: [...state.added.filter(({ id }) => id !== event.step.id), event.step] };
    case "host-reopened":
      return withTurn(state, event);
    case "task-skipped":
      return { ...state, tasks: state.tasks.set(event.task, { state: "skipped", reason: "operator", evidence: event.reason, durationMs: 0 }) }; // biome-ignore format: one line
    case "amended":
      return withAmendment(state, event);
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

function withPatch(
  state: RunState,
  { step, host, component }: { readonly step: string; readonly host: string; readonly component: string },
  refused: string,
): RunState {
  return { ...state, patches: state.patches.set(`${step}/${host}/${component}`, refused) };
}

function withTask(state: RunState, { step, host, event }: EventOf<"task">): RunState {
  const { task, action, reason, evidence, durationMs } = event;
  // An undo that never ran leaves the task as it was: a drained host stays to be undrained by the rollback.
  // guard P7: what never ran changed nothing.
  if (action === "undo" && event.state === "skipped") return state;
  const isUndone = action === "undo" && event.state === "done";
  const reached: TaskState = isUndone ? "undone" : event.state;
  const next = { ...state, tasks: state.tasks.set(task, { state: reached, reason, evidence, durationMs }) };
  const byOperator = state.added.some(({ id }) => id === step);
  return isUndone && byOperator ? withUndone(next, { task, host }) : next;
}

/** What an operator took back is missing where the plan had it: its step waits, also one that had ended. */
function withUndone(state: RunState, { task, host }: { readonly task: string; readonly host: string }): RunState {
  const step = state.plan?.steps.find(({ work }) =>
    work.some((each) => each.host === host && each.groups.some((group) => group.some(({ id }) => id === task))),
  );
  if (step === undefined || !state.startedSteps.has(step.id)) return state;
  const before = state.notDone.get(step.id) ?? KeptSet<string>();
  return advanced({
    ...state,
    hosts: state.hosts.set(placeOf(step.id, host), "undone"),
    notDone: state.notDone.set(step.id, before.add(host)),
    endedSteps: state.endedSteps.delete(step.id),
    position: 0,
  });
}

function withHostEnded(state: RunState, event: EventOf<"host-ended">): RunState {
  const { step, host, outcome } = event;
  const before = state.notDone.get(step) ?? KeptSet<string>();
  const notDone = state.notDone.set(step, outcome === "done" ? before.delete(host) : before.add(host));
  return { ...state, notDone, hosts: state.hosts.set(placeOf(step, host), outcome) };
}

/** The host has no outcome in this step any more; the step goes on, and whatever comes after it waits again. */
function withTurn(state: RunState, { step, host, turn: number, tasks, rest }: EventOf<"host-reopened">): RunState {
  const place = placeOf(step, host);
  return advanced({
    ...state,
    turns: state.turns.set(place, { number, tasks, rest }),
    hosts: state.hosts.delete(place),
    notDone: state.notDone.update(step, KeptSet<string>(), (hosts) => hosts.delete(host)),
    endedSteps: state.endedSteps.delete(step),
    position: 0,
  });
}

function withAmendment(state: RunState, { component, version, contract, bundle, hash }: EventOf<"amended">): RunState {
  if (state.plan === undefined) return state;
  const key = `${component}@${version}`;
  const contracts = { ...state.plan.contracts, [key]: contract };
  const bundles = { ...state.plan.bundles, [key]: bundle };
  const plan: Plan = { ...state.plan, contracts, bundles, hash };
  return { ...state, plan };
}

function advanced(state: RunState): RunState {
  const steps = stepsOf(state);
  let position = state.position;
  for (let step = steps[position]; step !== undefined && state.endedSteps.has(step.id); step = steps[position])
    position += 1;
  return { ...state, position };
}

function rollbackSteps(state: RunState, event: EventOf<"rollback-started">, run: string): Step[] {
  const steps = stepsToUndo(state, event.scope);
  const places = placesOf(steps);
  const back = makeRollback({
    steps,
    run,
    reason: event.by === "cutover" ? "failed" : "operator",
    stateOf: (task: Task) => state.tasks.get(task.id)?.state ?? startedState(state, places.get(taskKey(task)) ?? ""),
  });
  // A batch that goes back puts its own back; the others stay on their new versions, and keep what those wrote.
  const point = event.scope === "release" ? state.restorePoint?.taken : undefined;
  const putBack = putBackStep(state.plan?.steps ?? [], { point, run });
  return putBack === undefined ? back : [...back, putBack];
}

/** The newest batch, with what ran once for its components while none of their batches stands; or everything. */
function stepsToUndo(state: RunState, scope: "batch" | "release"): Step[] {
  const started = (state.plan?.steps ?? []).filter(
    ({ id, kind }) => (kind === "switch" || kind === "task") && state.startedSteps.has(id),
  );
  if (scope === "release") return started;
  const failed = started.at(-1);
  const standing = new Set(started.filter(({ kind }) => kind === "switch").slice(0, failed?.kind === "switch" ? -1 : undefined).flatMap(componentsOf)); // biome-ignore format: one line
  return started.filter(
    (step) =>
      step === failed || (step.id.startsWith("once.") && componentsOf(step).every((name) => !standing.has(name))),
  );
}

function componentsOf({ work }: Step): string[] {
  return work.flatMap(({ groups }) => groups.flat().map(({ component }) => component));
}

/** Task → `step/host` of the first step that holds it. */
function placesOf(steps: readonly Step[]): Map<string, string> {
  const places = new Map<string, string>();
  for (const step of steps)
    for (const { groups } of step.work)
      for (const task of groups.flat())
        if (!places.has(taskKey(task))) places.set(taskKey(task), placeOf(step.id, task.host));
  return places;
}

/** A task nobody reported on may have run, unless its host ended without ever taking the step: unknown is a state of its own (P7). */
function startedState(state: RunState, place: string): TaskState {
  return state.hosts.get(place) === "failed" && !state.submitted.has(place) ? "pending" : "unknown";
}
