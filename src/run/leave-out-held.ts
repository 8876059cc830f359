// Hosts that an operator put on hold while an open run waits for them: it goes on without them. Pure.
import type { EventBody } from "../model/run-event.ts";
import { decide, tiedOn } from "./decide.ts";
import { isMissingOn, placeOf, type RunState, stepsOf } from "./run-state.ts";
import { readBacksByHand } from "./unread.ts";

/**
 * Silent ones, and those on which something was changed by hand or is not read back: also past components of which no host may stay
 * behind, since nobody else can know that the machine is gone for good. The journal then says what it is taken to mean.
 */
export function leaveOutHeld(state: RunState, holds: ReadonlyMap<string, string>): EventBody[] {
  const waiting = [...silentHosts(state), ...changedHosts(state)].filter(({ host }) => holds.has(host));
  const found = new Map(waiting.map((each) => [each.host, each]));
  return [...found.values()].map(({ host, step }) => {
    const tied = tiedOn(state, [host]);
    const meant = `; taken to be out of service for good, since no host may stay behind with ${tied.join(", ")}`;
    return {
      kind: "host-left-out",
      step,
      host,
      reason: `${holds.get(host) ?? "held"}${tied.length === 0 ? "" : meant}`,
    };
  });
}

interface Waiting {
  readonly host: string;
  readonly step: string;
}

function silentHosts(state: RunState): Waiting[] {
  const effect = decide(state);
  const unread = readBacksByHand(state).flatMap(({ step, hosts }) => hosts.map((host) => ({ host, step: step.id })));
  if (effect?.kind === "wait") return [...effect.hosts.map((host) => ({ host, step: effect.step.id })), ...unread];
  return effect?.kind === "hold" ? [...unknownHosts(state), ...unread] : unread;
}

/** While a person decides about others. A balancer's turn comes with the wait for it: the others of its batch would switch in traffic. */
function unknownHosts(state: RunState): Waiting[] {
  const open = stepsOf(state).filter(({ id, traffic }) => traffic === undefined && state.startedSteps.has(id) && !state.endedSteps.has(id)); // biome-ignore format: one line
  return open.flatMap(
    ({ id: step, work }) =>
    work.flatMap(({ host }) => (state.hosts.get(placeOf(step, host)) === "unknown" && !state.leftOut.has(host) ? { host, step } : [])), // biome-ignore format: one line
  );
}

/** A balancer that answers is not gone for what a person did there: without it the others would switch in traffic. */
function changedHosts(state: RunState): Waiting[] {
  const effect = decide(state);
  if (effect?.kind !== "hold") return [];
  const { id } = effect.step;
  const balancers = new Set((state.plan?.steps ?? []).flatMap(({ traffic, work }) => (traffic === undefined ? [] : work.map(({ host }) => host)))); // biome-ignore format: one line
  return effect.hosts.filter((host) => isMissingOn(state, id, host) && !balancers.has(host)).map((host) => ({ host, step: id })); // biome-ignore format: one line
}
