// What is still done while a run waits for a person. Pure.
import type { Step } from "../model/plan.ts";
import type { Effect } from "./effect.ts";
import { backForHealthy } from "./in-traffic.ts";
import { outOfTraffic } from "./out-of-traffic.ts";
import { isDoneOn, placeOf, type RunState, stepsOf } from "./run-state.ts";

interface Holding {
  readonly hosts: readonly string[];
  readonly reason: string;
}

/**
 * Hosts that did switch are confirmed first, or they would go back at their deadline while a person thinks (P8); then those that are
 * well have traffic again.
 */
export function decideHold(state: RunState, step: Step, holding: Holding): Effect {
  const confirming = openConfirm(state);
  // guard P8: what did switch is confirmed before a person is waited for.
  if (confirming !== undefined) return confirming;
  return (
    backForHealthy(state, step) ?? {
      ...{ kind: "hold", step, ...holding },
      reason: `${holding.reason}${outOfTraffic(state)}`,
    }
  );
}

/** The first confirmation that hosts which did switch still wait for, whichever batch they are of: what is held may be in an earlier one. */
export function openConfirm(state: RunState, isMeant: (host: string) => boolean = () => true): Effect | undefined {
  if (state.rollback !== undefined) return undefined;
  const steps = stepsOf(state);
  for (const step of steps) {
    if (step.kind !== "confirm") continue;
    const change = steps.find(({ kind, batch }) => kind === "switch" && batch === step.batch);
    if (change === undefined || !state.startedSteps.has(change.id)) continue;
    const hosts = step.work.map(({ host }) => host).filter((host) => isMeant(host) && isUnconfirmed(state, { change, step, host })); // biome-ignore format: one line
    if (hosts.length === 0) continue;
    return state.startedSteps.has(step.id) ? { kind: "run-step", step, hosts } : { kind: "start-step", step };
  }
  return undefined;
}

interface Confirming {
  readonly change: Step;
  readonly step: Step;
  readonly host: string;
}

function isUnconfirmed(state: RunState, { change, step, host }: Confirming): boolean {
  return isDoneOn(state, change.id, host) && !state.hosts.has(placeOf(step.id, host)) && !state.leftOut.has(host);
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
