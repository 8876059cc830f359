// Hosts that balancers took out of traffic and that are not back: whoever reads why a run waits or ended must know. Pure.
import { targetOf } from "../plan/balancer-steps.ts";
import { type RunState, stepsOf } from "./run-state.ts";

/** `; out of traffic: web1, web2`; empty when none is. One that a single balancer still keeps out, or may keep out, counts. */
export function outOfTraffic(state: RunState): string {
  const out = new Set<string>();
  for (const { work } of stepsOf(state).filter(({ traffic }) => traffic !== undefined))
    for (const task of work.flatMap(({ groups }) => groups.flat())) {
      const now = state.tasks.get(task.id)?.state ?? "pending";
      const target = targetOf(task);
      if (target !== undefined && !["pending", "skipped", "undone"].includes(now)) out.add(target);
    }
  return out.size === 0 ? "" : `; out of traffic: ${[...out].sort().join(", ")}`;
}
