// The run as a pure machine: events in, state out, and from the state alone what to do next. Crash recovery is
// replaying the journal through `reduce` and asking `decide` again.
import type { Host } from "../model/fleet.ts";
import type { Plan, Step } from "../model/plan.ts";
import type { EventBody, RunOutcome } from "../model/run-event.ts";
import type { Task, TaskState } from "../model/task.ts";
import { makeRollback } from "../plan/make-rollback.ts";

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
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  /** Keyed by `step/host`. */
  readonly hosts: ReadonlyMap<string, HostOutcome>;
  /** Keyed by `step/host`: the host has the task list of the step, so any of it may have run. */
  readonly submitted: ReadonlySet<string>;
  /** Hosts that the run goes on without. */
  readonly leftOut: ReadonlySet<string>;
  readonly startedSteps: ReadonlySet<string>;
  readonly endedSteps: ReadonlySet<string>;
  readonly rollback: { readonly steps: readonly Step[]; readonly reason: string; readonly by: string } | undefined;
  readonly quarantined: ReadonlySet<string>;
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

/** A version that was shown to be bad, with what was seen. */
export interface BadVersion {
  readonly component: string;
  readonly version: string;
  readonly tree: string;
  readonly reason: string;
  readonly evidence: string;
}

export const initialRunState: RunState = {
  plan: undefined,
  commit: "",
  generation: "",
  fleet: [],
  tasks: new Map(),
  hosts: new Map(),
  submitted: new Set(),
  leftOut: new Set(),
  startedSteps: new Set(),
  endedSteps: new Set(),
  rollback: undefined,
  quarantined: new Set(),
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
      return { ...state, startedSteps: new Set(state.startedSteps).add(event.step) };
    case "submitted":
      return { ...state, submitted: new Set(state.submitted).add(`${event.step}/${event.host}`) };
    case "task":
      return { ...state, tasks: withTask(state, event) };
    case "host-ended":
      return { ...state, hosts: new Map(state.hosts).set(`${event.step}/${event.host}`, event.outcome) };
    case "host-left-out":
      return { ...state, leftOut: new Set(state.leftOut).add(event.host) };
    case "step-ended":
      return { ...state, endedSteps: new Set(state.endedSteps).add(event.step) };
    case "rollback-started":
      return { ...state, rollback: { steps: rollbackSteps(state, event, run), reason: event.reason, by: event.by } };
    case "quarantined":
      return { ...state, quarantined: new Set(state.quarantined).add(`${event.component}@${event.tree}`) };
    case "run-ended":
      return { ...state, outcome: event.outcome, reason: event.reason };
    default:
      return state;
  }
}

function withTask(state: RunState, { event }: Extract<EventBody, { kind: "task" }>): RunState["tasks"] {
  const { reason, evidence, durationMs } = event;
  // An undo that never ran leaves the task as it was: a drained host stays to be undrained by the rollback.
  if (event.action === "undo" && event.state === "skipped") return state.tasks;
  const reached: TaskState = event.action === "undo" && event.state === "done" ? "undone" : event.state;
  return new Map(state.tasks).set(event.task, { state: reached, reason, evidence, durationMs });
}

/** What to do next, from the state alone; undefined when the run has ended. */
export function decide(state: RunState): Effect | undefined {
  if (state.plan === undefined || state.outcome !== undefined) return undefined;
  const rollback = state.rollback;
  if (rollback) return decideIn(state, rollback.steps) ?? end("rolled-back", rollback.reason);
  return decideIn(state, state.plan.steps) ?? decideEnd(state);
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
function decideIn(state: RunState, steps: readonly Step[]): Effect | undefined {
  const step = steps.find((candidate) => !state.endedSteps.has(candidate.id));
  if (step === undefined) return undefined;
  if (!state.startedSteps.has(step.id)) return { kind: "start-step", step };
  const outcomes = step.work
    .filter(({ host }) => !state.leftOut.has(host))
    .map(({ host }) => ({ host, outcome: state.hosts.get(`${step.id}/${host}`) }));
  const bad = outcomes.filter(({ outcome }) => outcome === "failed" || outcome === "unknown");
  const spent = step.phase === "switch" && !state.rollback && bad.length > (state.plan?.failureBudget ?? 0);
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

/** When nobody answers, the trouble is likely on our side of the wire: then the run waits, whatever the budget says. */
function decideSilence(
  state: RunState,
  step: Step,
  { silent: hosts, all }: { silent: readonly string[]; all: number },
): Effect {
  const unmoved = step.phase === "distribute" || step.phase === "check";
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
  if (step.phase !== "switch" && step.phase !== "confirm") return end("stuck", reason);
  const bad = badVersions(state, step);
  if (policy === "manual") return end("stuck", `${reason}; rollback_policy is manual`, bad);
  return { kind: "roll-back", scope: policy === "release" ? "release" : "batch", reason, bad };
}

/** Reasons of a failed task that are evidence against the version itself, never a deadline, a link or the host (P16). */
const badnessReasons: ReadonlySet<string> = new Set([
  "unhealthy",
  "not-ready",
  "new-version-died",
  "crash-loop",
  "start-failed",
]);

function badVersions(state: RunState, step: Step): BadVersion[] {
  const bad = new Map<string, BadVersion>();
  for (const task of step.work.flatMap((work) => work.groups.flat())) {
    const record = state.tasks.get(task.id);
    const change = state.plan?.changes.find(
      (candidate) => candidate.host === task.host && candidate.component === task.component,
    );
    if (!change || record?.state !== "failed" || !badnessReasons.has(record.reason)) continue;
    const { component, to: version, toTree: tree } = change;
    bad.set(`${component}@${tree}`, {
      component,
      version,
      tree,
      reason: record.reason,
      evidence: `${task.id}: ${record.evidence}`,
    });
  }
  return [...bad.values()];
}

function rollbackSteps(state: RunState, event: Extract<EventBody, { kind: "rollback-started" }>, run: string): Step[] {
  const switched = (state.plan?.steps ?? []).filter(
    (step) => step.phase === "switch" && state.startedSteps.has(step.id),
  );
  const steps = event.scope === "release" ? switched : switched.slice(-1);
  return makeRollback({
    steps,
    run,
    reason: event.by === "cutover" ? "failed" : "operator",
    stateOf: (task: Task) => state.tasks.get(task.id)?.state ?? startedState(state, task),
  });
}

/** A task nobody reported on may have run, unless its host ended without ever taking the step: unknown is a state of its own (P7). */
function startedState(state: RunState, task: Task): TaskState {
  const step = state.plan?.steps.find((candidate) =>
    candidate.work.some((work) =>
      work.groups.flat().some(({ id, action }) => id === task.id && action === task.action),
    ),
  );
  const place = `${step?.id ?? ""}/${task.host}`;
  return state.hosts.get(place) === "failed" && !state.submitted.has(place) ? "pending" : "unknown";
}
