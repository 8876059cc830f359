// Where a person ran something that nobody has read back, nothing further is handed over; all else goes on (P7). Pure.
import type { Effect } from "./effect.ts";
import { confirmSwitched } from "./hold.ts";
import type { RunState } from "./run-state.ts";
import { readBacksByHand } from "./unread.ts";

/** What the plan has next, as far as it leaves those hosts alone. */
export function besideUnread(state: RunState, planned: Effect): Effect {
  const unread = readBacksByHand(state);
  const [first] = unread;
  if (first === undefined) return planned;
  const silent = new Set(unread.flatMap(({ hosts }) => hosts));
  // Trials of others do not wait for it (P8).
  const waiting = confirmSwitched(state) ?? first;
  if (planned.kind === "run-step") {
    const hosts = planned.hosts.filter((host) => !silent.has(host));
    // A restore point is taken of all of them at once.
    const isWhole = planned.step.kind !== "restore-point" || hosts.length === planned.hosts.length;
    return hosts.length === 0 || !isWhole ? waiting : { ...planned, hosts };
  }
  if (planned.kind === "reopen") {
    const turns = planned.turns.filter(({ host }) => !silent.has(host));
    return turns.length === 0 ? waiting : { ...planned, turns };
  }
  return planned.kind === "end" ? waiting : planned;
}
