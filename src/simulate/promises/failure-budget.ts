// P9: unhealthy or unknown hosts stay within the budget; past it nothing more switches.
import { type History, holdReason, type RunHistory, runOf } from "../history.ts";
import type { PromiseCheck } from "./promise-check.ts";

/** A request that was on its way when the budget was spent may still arrive. */
const onTheWayMs = 100;

export const failureBudget: PromiseCheck = {
  promise: "P9",
  title: "past the failure budget no further host takes a switch",
  check: ({ now, fact, history }) => {
    if (fact.kind !== "submitted") return undefined;
    const { host, step } = fact;
    for (const [key, run] of history.runs) {
      if (!key.endsWith(` ${step.run}`) || run.isRollingBack) continue;
      if (run.steps.get(step.step)?.kind !== "switch") continue;
      const moment = now - onTheWayMs;
      const own = badBefore(run, moment);
      // One that is unknown is asked again under its own name: that is how it is read back.
      own.delete(host.name);
      const others = besides(history, key).map((other) => badBefore(other, moment));
      const bad = new Map([...others.flatMap((each) => [...each]), ...own]);
      if (bad.size > run.plan.failureBudget)
        return `${host.name} takes ${step.step} after ${[...bad.values()].join(", ")}; the budget is ${run.plan.failureBudget}`;
    }
    return undefined;
  },
};

export const leftOutWithinBudget: PromiseCheck = {
  promise: "P9",
  title: "a run goes on without no more hosts than the budget allows, once it has begun to switch",
  check: ({ fact, history }) => {
    if (fact.kind !== "journaled" || fact.event.kind !== "host-left-out") return undefined;
    const { step, host, reason } = fact.event;
    const run = history.runs.get(`${fact.disk} ${runOf(fact.event)}`);
    const kind = run?.steps.get(step)?.kind;
    // An operator's hold is his word that the host does not count.
    if (run === undefined || reason === holdReason) return undefined;
    if (kind !== "switch" && kind !== "confirm" && kind !== "commit") return undefined;
    if (run.leftOut.size < run.plan.failureBudget) return undefined;
    return `${host} is left out of ${step} beside ${run.leftOut.size} others; the budget is ${run.plan.failureBudget}`;
  },
};

/** Other open runs of the release share its budget. One that goes back may have taken back what was bad since. */
function besides({ runs }: History, key: string): RunHistory[] {
  const [disk] = key.split(" ");
  const release = runs.get(key)?.plan.release;
  return [...runs].flatMap(([name, run]) => {
    const isBeside = name !== key && name.startsWith(`${disk} `) && run.plan.release === release;
    return isBeside && !run.hasEnded && !run.isRollingBack ? run : [];
  });
}

/**
 * One word for each host. One that was left out within the budget is bad all the same; an operator's hold is his word that the host
 * does not count.
 */
function badBefore({ badSwitches, held }: RunHistory, moment: number): Map<string, string> {
  const bad = [...badSwitches].filter(([, { host, at }]) => at < moment && !held.has(host));
  return new Map(bad.map(([place, { host, outcome }]) => [host, `${place} ${outcome}`]));
}
