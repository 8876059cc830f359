// Hosts that balancers took out of traffic, and services that hosts drained, which are not back: whoever reads why a run waits or
// ended must know. Pure.
import { mayStand } from "../model/task.ts";
import { targetOf } from "../plan/balancer-steps.ts";
import { type RunState, stepsOf } from "./run-state.ts";

/** `; out of traffic: web1; drained: web2/app`; empty when nothing is. What may be out, or a single balancer still keeps out, counts. */
export function outOfTraffic(state: RunState): string {
  const out = new Set<string>();
  const drained = new Set<string>();
  for (const task of stepsOf(state).flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()))) {
    if (!mayStand(state.tasks.get(task.id)?.state)) continue;
    const target = targetOf(task);
    if (target !== undefined) out.add(target);
    else if (task.kind === "drain") drained.add(`${task.host}/${task.component}`);
  }
  return `${listed("out of traffic", out)}${listed("drained", drained)}`;
}

const mostNamed = 6;

function listed(what: string, found: ReadonlySet<string>): string {
  const names = [...found].sort();
  const more = names.length > mostNamed ? `, and ${names.length - mostNamed} more` : "";
  return names.length === 0 ? "" : `; ${what}: ${names.slice(0, mostNamed).join(", ")}${more}`;
}
