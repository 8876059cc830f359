// What people ran by hand and nobody has read back (P7). Pure.
import type { Step } from "../model/plan.ts";
import { leavesSomething } from "./by-hand.ts";
import type { Effect } from "./effect.ts";
import { placeOf, type RunState } from "./run-state.ts";

/** Steps that operators asked for, with the hosts of which nobody knows how they ended. A way back undoes what may have run instead. */
function unreadSteps({ added, endedSteps, hosts, leftOut, rollback }: RunState): { step: Step; hosts: string[] }[] {
  if (added.length === 0 || rollback !== undefined) return [];
  return added
    .filter((step) => !endedSteps.has(step.id) && leavesSomething(step))
    .map((step) => {
      const silent = step.work.map(({ host }) => host).filter((host) => hosts.get(placeOf(step.id, host)) === "unknown" && !leftOut.has(host)); // biome-ignore format: one line
      return { step, hosts: silent };
    })
    .filter((unread) => unread.hosts.length > 0);
}

export function isUnread(state: RunState, { id }: Step): boolean {
  return unreadSteps(state).some(({ step }) => step.id === id);
}

export function isUnreadOn(state: RunState, host: string): boolean {
  return unreadSteps(state).some(({ hosts }) => hosts.includes(host));
}

/** What is to be read back, in the order in which it was asked for. */
export function readBacksByHand(state: RunState): Extract<Effect, { kind: "wait" }>[] {
  return unreadSteps(state).map((unread) => ({ kind: "wait", ...unread }));
}
