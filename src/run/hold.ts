// What is still done while a run waits for a person. Pure.
import type { Step } from "../model/plan.ts";
import type { Effect } from "./effect.ts";
import { backForHealthy } from "./in-traffic.ts";
import { outOfTraffic } from "./out-of-traffic.ts";
import { isDoneOn, isMissingOn, placeOf, type RunState, stepsOf, turnOf } from "./run-state.ts";
import { isUnreadOn } from "./unread.ts";

interface Holding {
  readonly hosts: readonly string[];
  readonly reason: string;
}

/**
 * Hosts that did switch are confirmed first, or they would go back at their deadline while a person thinks (P8), and what was handed over
 * is read back, in every batch: what is held may be an earlier one. While a switch is held, those that are well have traffic again.
 */
export function decideHold(state: RunState, step: Step, holding: Holding): Effect {
  // guard P8: what did switch is confirmed before a person is waited for.
  const open = beforeWaiting(state, step);
  if (open !== undefined) return open;
  return { kind: "hold", step, ...holding, reason: `${holding.reason}${outOfTraffic(state)}` };
}

export function beforeWaiting(state: RunState, step: Step): Effect | undefined {
  return confirmSwitched(state) ?? readBack(state) ?? (isOfSwitch(step) ? backInTraffic(state) : undefined);
}

function isOfSwitch({ kind }: Step): boolean {
  return kind === "switch" || kind === "confirm";
}

function startedSwitches(state: RunState): readonly Step[] {
  if (state.rollback !== undefined) return [];
  return stepsOf(state).filter(({ kind, id }) => kind === "switch" && state.startedSteps.has(id));
}

/** The first confirmation that hosts which did switch still wait for. */
export function confirmSwitched(state: RunState): Effect | undefined {
  return firstOf(startedSwitches(state), (change) => openConfirm(state, change));
}

function backInTraffic(state: RunState): Effect | undefined {
  return firstOf(startedSwitches(state), (change) => backForHealthy(state, change));
}

function readBack(state: RunState): Effect | undefined {
  if (state.rollback !== undefined) return undefined;
  const steps = stepsOf(state).filter(({ id }) => state.startedSteps.has(id) && !state.endedSteps.has(id));
  return firstOf(steps, (step) => {
    const hosts = step.work.map(({ host }) => host).filter((host) => isInFlight(state, step, host) && !isUnreadOn(state, host)); // biome-ignore format: one line
    return hosts.length === 0 ? undefined : { kind: "run-step", step, hosts };
  });
}

function firstOf(steps: readonly Step[], effectOf: (step: Step) => Effect | undefined): Effect | undefined {
  for (const step of steps) {
    const effect = effectOf(step);
    if (effect !== undefined) return effect;
  }
  return undefined;
}

/** It has all of what it is to do in this step, and has not told how that ended. Balancers go on by turns of their own (in-traffic.ts). */
export function isInFlight(state: RunState, { id, traffic }: Step, host: string): boolean {
  if (traffic !== undefined) return false;
  if (state.hosts.has(placeOf(id, host)) || state.leftOut.has(host) || isMissingOn(state, id, host)) return false;
  const turn = turnOf(state, id, host);
  return turn === undefined ? state.submitted.has(placeOf(id, host)) : turn.isBegun && turn.rest.length === 0;
}

function openConfirm(state: RunState, change: Step): Effect | undefined {
  const step = stepsOf(state).find(({ kind, batch }) => kind === "confirm" && batch === change.batch);
  if (step === undefined || isToGoBack(state, change, step)) return undefined;
  const hosts = step.work.map(({ host }) => host).filter((host) => isUnconfirmed(state, { change, step, host }));
  if (hosts.length === 0) return undefined;
  return state.startedSteps.has(step.id) ? { kind: "run-step", step, hosts } : { kind: "start-step", step };
}

/** Something of the batch failed, and its policy takes it back once the run comes there: nothing of it is confirmed (P9). */
function isToGoBack(state: RunState, change: Step, confirm: Step): boolean {
  if (state.plan?.rollbackPolicy === "manual") return false;
  return [change, confirm].some(({ id, work }) =>
    work.some(({ host }) => !state.leftOut.has(host) && state.hosts.get(placeOf(id, host)) === "failed"),
  );
}

interface Confirming {
  readonly change: Step;
  readonly step: Step;
  readonly host: string;
}

/** Where something is missing, of whatever step, a person looks first. */
function isUnconfirmed(state: RunState, { change, step, host }: Confirming): boolean {
  const isChanged = [...state.missing.keys()].some((id) => id.startsWith(`${host}/`));
  const isWaited = isDoneOn(state, change.id, host) && !state.hosts.has(placeOf(step.id, host));
  return isWaited && !state.leftOut.has(host) && !isChanged && !isUnreadOn(state, host);
}

/** The confirmation that follows a batch. */
export function confirmOf(state: RunState, step: Step): Step | undefined {
  if (step.kind !== "switch" || state.rollback !== undefined) return undefined;
  const steps = stepsOf(state);
  // It comes soon after the step in force, which is asked about for every one of its hosts.
  for (let at = state.position; at < steps.length; at++) {
    const next = steps[at];
    if (next?.kind === "confirm" && next.batch === step.batch) return next;
  }
  return undefined;
}
