// What people ran by hand and nobody has read back: nothing further is handed over on that host, and all else goes on (P7). Pure.
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

/** The first one to be read back. */
export function readBackByHand(state: RunState): Extract<Effect, { kind: "wait" }> | undefined {
  const [first] = unreadSteps(state);
  return first === undefined ? undefined : { kind: "wait", ...first };
}

/** What the plan has next, as far as it leaves those hosts alone. */
export function besideUnread(state: RunState, planned: Effect): Effect {
  const waiting = readBackByHand(state);
  if (waiting === undefined) return planned;
  const silent = new Set(unreadSteps(state).flatMap(({ hosts }) => hosts));
  if (planned.kind === "run-step") {
    const hosts = planned.hosts.filter((host) => !silent.has(host));
    return hosts.length === 0 ? waiting : { ...planned, hosts };
  }
  if (planned.kind === "reopen") {
    const turns = planned.turns.filter(({ host }) => !silent.has(host));
    return turns.length === 0 ? waiting : { ...planned, turns };
  }
  return planned.kind === "end" && planned.outcome === "done" ? waiting : planned;
}
