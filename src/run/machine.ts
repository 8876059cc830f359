// The run as a pure machine: events in, state out. Crash recovery is replaying the journal through `reduce`, and asking
// `decide` (decide.ts) again what comes next.
import { Map as KeptMap, Set as KeptSet } from "immutable";
import type { Plan, Step } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import { mayStand, type Task, type TaskState } from "../model/task.ts";
import { makeRollback } from "../plan/make-rollback.ts";
import { putBackStep } from "../plan/restore-point.ts";
import { owedBackups, withoutUnsaved } from "./backups-on-way-back.ts";
import { addedTask, isAdded, isAside, isCounted, isLook, isTouchedByHand, skippedByHand, withoutMissing, withoutPassedOver, withoutTold, withTold, withUntold } from "./by-hand.ts"; // biome-ignore format: one line
import { owedAfter, owedWithout, owedWithoutHost } from "./owed-bundles.ts";
import { advanced, initialRunState, isDoneOn, placeOf, type RunState, taskKey } from "./run-state.ts";

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
        pace: event.pace ?? "run",
      };
    case "run-resumed":
      return { ...state, pace: event.pace ?? "run" };
    case "step-started":
      return { ...state, startedSteps: state.startedSteps.add(event.step) };
    case "submitted":
      return withTurnBegun({ ...state, submitted: state.submitted.add(placeOf(event.step, event.host)) }, event);
    case "delivered":
      return event.base === undefined ? state : withPatch(state, event, "");
    case "patch-refused":
      return withPatch(state, event, event.reason);
    case "task":
      return withTask(state, event);
    case "host-ended":
      return withHostEnded(state, event);
    case "host-left-out":
      return withoutHost(state, event);
    case "unwell-beside":
      return { ...state, beside: { hosts: event.hosts, runs: event.runs } };
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
      return withSkipped(state, event);
    case "amended":
      return withAmendment(state, event);
    case "rollback-started": {
      // Asked for again it goes on: hosts know its steps and tell how they ended, instead of doing them twice (a backup would be put
      // back over what the old version wrote since). In traffic it is another way back.
      const isAnother = event.inTraffic === true && state.rollback !== undefined;
      const before = withoutAsked(isAnother ? withDoubt(state) : state);
      const nth = (state.rollback?.nth ?? 1) + (isAnother ? 1 : 0);
      const known = isAnother ? [] : (state.rollback?.steps ?? []);
      const planned = rollbackSteps(before, { event, run, nth });
      const steps = [...known, ...planned.filter(({ id }) => !known.some((step) => step.id === id))];
      const rollback = { steps, reason: event.reason, by: event.by, nth };
      return advanced({ ...before, rollback, missing: KeptMap(), position: 0 });
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
  const added = addedTask(state, step, task);
  if (added !== undefined && (isAside(state, added) || isLook(added))) return state;
  const isTold = added === undefined || isCounted(state, added);
  const told = isTold ? withTold(withTurnBegun(state, { step, host }), step, event) : state;
  // What never ran leaves the task as it was: a drained host stays to be undrained by the way back, and what ran before is undone.
  if (event.state === "skipped" && (action === "undo" || added !== undefined || mayStand(told.tasks.get(task)?.state)))
    return told;
  const reached: TaskState = action === "undo" && event.state === "done" ? "undone" : event.state;
  return { ...told, tasks: told.tasks.set(task, { state: reached, reason, evidence, durationMs }) };
}

/** The host has its turn. */
function withTurnBegun(state: RunState, { step, host }: { readonly step: string; readonly host: string }): RunState {
  const place = placeOf(step, host);
  const turn = state.turns.get(place);
  if (turn === undefined || turn.isBegun) return state;
  return { ...state, turns: state.turns.set(place, { ...turn, isBegun: true }) };
}

function withHostEnded(state: RunState, { step, host, outcome }: EventOf<"host-ended">): RunState {
  const place = placeOf(step, host);
  const next = { ...state, notDone: withNotDone(state, { step, host, isDone: outcome === "done" }), hosts: state.hosts.set(place, outcome) }; // biome-ignore format: one line
  // A host that refused it has done nothing of it.
  const mayHaveRun = outcome === "unknown" || (outcome === "failed" && state.submitted.has(place));
  return mayHaveRun ? withUntold(next, step, host) : next;
}

function withNotDone(
  { notDone }: RunState,
  { step, host, isDone }: { readonly step: string; readonly host: string; readonly isDone: boolean },
): RunState["notDone"] {
  const before = notDone.get(step) ?? KeptSet<string>();
  return notDone.set(step, isDone ? before.delete(host) : before.add(host));
}

function withoutHost(state: RunState, { host, inBudget }: EventOf<"host-left-out">): RunState {
  const leftInBudget = inBudget ? state.leftInBudget.add(host) : state.leftInBudget;
  const left = { ...state, leftOut: state.leftOut.add(host), leftInBudget, owed: owedWithoutHost(state.owed, host) };
  return withoutMissing(left, (id) => id.startsWith(`${host}/`));
}

/** What it has begun stays to be undone by a way back. */
function withSkipped(state: RunState, { task, reason: evidence }: EventOf<"task-skipped">): RunState {
  const skipped = { state: "skipped", reason: skippedByHand, evidence, durationMs: 0 } as const;
  const tasks = mayStand(state.tasks.get(task)?.state) ? state.tasks : state.tasks.set(task, skipped);
  return withoutMissing({ ...state, tasks, skipped: state.skipped.add(task) }, (id) => id === task);
}

/** The host has no outcome in this step any more; the step goes on, and whatever comes after it waits again. */
function withTurn(state: RunState, event: EventOf<"host-reopened">): RunState {
  const { step, host, turn: number, tasks, rest } = event;
  const place = placeOf(step, host);
  // Parts of different moments are no point: what is to be saved again on one host makes it another one.
  const { restorePoint } = state;
  const isPoint = tasks.length > 0 && state.plan?.steps.some(({ id, kind }) => id === step && kind === "restore-point");
  // A person's own step that is cut into turns takes back no word of another one, nor does a way back.
  const isOfPlan = state.rollback === undefined && !isAdded(state, step);
  const untold = withoutPassedOver(isOfPlan ? withoutTold(state, step, [...tasks, ...rest]) : state, step, tasks);
  return advanced({
    ...untold,
    ...(isPoint && restorePoint !== undefined ? { restorePoint: { ...restorePoint, taken: undefined } } : {}),
    owed: owedWithout(state.owed, event),
    turns: state.turns.set(place, { number, tasks, rest, isBegun: false }),
    hosts: state.hosts.delete(place),
    notDone: withNotDone(state, { step, host, isDone: true }),
    endedSteps: state.endedSteps.delete(step),
    position: 0,
  });
}

function withAmendment(state: RunState, event: EventOf<"amended">): RunState {
  if (state.plan === undefined) return state;
  const { component, version, contract, bundle, hash } = event;
  const key = `${component}@${version}`;
  const contracts = { ...state.plan.contracts, [key]: contract };
  const bundles = { ...state.plan.bundles, [key]: bundle };
  const plan: Plan = { ...state.plan, contracts, bundles, hash };
  return { ...state, plan, owed: owedAfter(state, event) };
}

/**
 * What an earlier way back has handed over, and nobody read back as done, may have run in part: nobody knows how its tasks are
 * now, whatever was last read back of them (P7). A host taken out of traffic for its way back would be left there. A balancer that
 * was down all the while was handed nothing, and is not waited for.
 */
function withDoubt(state: RunState): RunState {
  const begun = state.rollback?.steps.filter(({ id }) => state.startedSteps.has(id)) ?? [];
  const doubtful = begun.flatMap(({ id, work }) =>
    work.filter(({ host }) => {
      const [place, outcome] = [placeOf(id, host), state.hosts.get(placeOf(id, host))];
      // A controller may have died between handing it over and noting that.
      return outcome !== "done" && (outcome === undefined || state.submitted.has(place));
    }),
  );
  const tasks = doubtful.flatMap(({ groups }) => groups.flat());
  const unknown = { state: "unknown", reason: "another way back began", evidence: "", durationMs: 0 } as const;
  return { ...state, tasks: state.tasks.merge(tasks.map(({ id }) => [id, unknown])) };
}

/** What a person asked for and no host has, a way back does not begin; of what is under way nobody knows how it ends (P7). */
function withoutAsked(state: RunState): RunState {
  const open = state.added.filter(({ id }) => !state.endedSteps.has(id));
  const isBegun = ({ id }: Step) => state.startedSteps.has(id);
  const hasIt = ({ id, work }: Step) => work.some(({ host }) => state.submitted.has(placeOf(id, host)));
  const doubted = open.filter(isBegun).reduce((now, { id, work }) => work.reduce((each, { host }) => withUntold(each, id, host), now), state); // biome-ignore format: one line
  const dropped = open.filter((step) => !isBegun(step) || !hasIt(step));
  return { ...doubted, endedSteps: doubted.endedSteps.union(dropped.map(({ id }) => id)) };
}

interface WayBackInput {
  readonly event: EventOf<"rollback-started">;
  readonly run: string;
  readonly nth: number;
}

function rollbackSteps(state: RunState, { event, run, nth }: WayBackInput): Step[] {
  const steps = stepsToUndo(state, event).map((step) => withoutUnsaved(state, step));
  const places = placesOf(steps);
  // A batch that goes back puts its own back; the others stay on their new versions, and keep what those wrote.
  const point = event.scope === "release" ? state.restorePoint?.taken : undefined;
  const back = makeRollback({
    steps,
    run,
    nth,
    point,
    owed: owedBackups(state),
    reason: event.by === "cutover" ? "failed" : "operator",
    inTraffic: event.inTraffic === true,
    stateOf: (task: Task) => state.tasks.get(task.id)?.state ?? startedState(state, places.get(taskKey(task))),
  });
  const putBack = putBackStep(state.plan?.steps ?? [], {
    ...{ point, run, nth },
    isPutBack: (step, host) => isDoneOn(state, step, host),
  });
  if (putBack === undefined) return back;
  const last = event.inTraffic === true ? back.filter(({ traffic }) => traffic !== undefined) : [];
  return [...back.filter((step) => !last.includes(step)), putBack, ...last];
}

/** The batch that failed, with what ran once for its components while none of their batches stands; or everything. */
function stepsToUndo(state: RunState, { scope, step: id }: EventOf<"rollback-started">): Step[] {
  const steps = state.plan?.steps ?? [];
  const undoable = steps.filter(({ kind }) => kind === "switch" || kind === "task");
  const started = undoable.filter(({ id }) => state.startedSteps.has(id));
  const meant = new Set(scope === "release" ? started : startedOfBatch(state, { started, said: id }));
  // What a person ran of a step that never began would be left there, also of one that commits.
  const isTouched = (step: Step) => !state.startedSteps.has(step.id) && isTouchedByHand(state, step);
  return steps.flatMap((step): Step[] => {
    if (meant.has(step)) return [step];
    return isTouched(step) ? [{ ...step, kind: "task" }] : [];
  });
}

function startedOfBatch(
  { plan }: RunState,
  { started, said: id }: { readonly started: readonly Step[]; readonly said: string | undefined },
): readonly Step[] {
  const steps = plan?.steps ?? [];
  const said = steps.find((step) => step.id === id);
  const failed =
    started.find((step) => step.id === id || (said !== undefined && isOfBatch(step, said))) ?? started.at(-1);
  // With the batch goes what its balancers did for it.
  const mine = (step: Step) => step === failed || (failed !== undefined && isOfBatch(step, failed));
  const standing = new Set(started.filter((step) => step.kind === "switch" && !mine(step)).flatMap(componentsOf));
  return started.filter(
    (step) => mine(step) || (step.id.startsWith("once.") && componentsOf(step).every((name) => !standing.has(name))),
  );
}

function isOfBatch({ batch }: Step, other: Step): boolean {
  return batch > 0 && batch === other.batch;
}

function componentsOf({ work }: Step): string[] {
  return work.flatMap(({ groups }) => groups.flat().map(({ component }) => component));
}

/** Task → the first step that holds it. */
function placesOf(steps: readonly Step[]): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const step of steps)
    for (const { groups } of step.work)
      for (const task of groups.flat())
        if (!places.has(taskKey(task))) places.set(taskKey(task), { step: step.id, host: task.host });
  return places;
}

interface Place {
  readonly step: string;
  readonly host: string;
}

/** A task nobody reported on may have run, unless its host ended without ever taking the step: unknown is a state of its own (P7). */
function startedState(state: RunState, place: Place | undefined): TaskState {
  if (place === undefined) return "unknown";
  const at = placeOf(place.step, place.host);
  const neverBegan = state.hosts.get(at) === "failed" && !state.submitted.has(at);
  return neverBegan || !state.startedSteps.has(place.step) ? "pending" : "unknown";
}
