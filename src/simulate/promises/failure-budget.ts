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
      const bad = new Map([...badBesides(history, { key, moment }), ...own]);
      if (bad.size > run.plan.failureBudget)
        return `${host.name} takes ${step.step} after ${[...bad.values()].join(", ")}; the budget is ${run.plan.failureBudget}`;
    }
    return undefined;
  },
};

export const leftOutWithinBudget: PromiseCheck = {
  promise: "P9",
  title: "a run goes on without no more hosts than the budget allows, once it has begun to switch",
  check: ({ now, fact, history }) => {
    if (fact.kind !== "journaled" || fact.event.kind !== "host-left-out") return undefined;
    const { step, host, reason } = fact.event;
    const key = `${fact.disk} ${runOf(fact.event)}`;
    const run = history.runs.get(key);
    const kind = run?.steps.get(step)?.kind;
    // An operator's hold is his word that the host does not count.
    if (run === undefined || reason === holdReason) return undefined;
    if (kind !== "switch" && kind !== "confirm" && kind !== "commit") return undefined;
    const others = new Set([...run.leftOut, ...badBesides(history, { key, moment: now - onTheWayMs }).keys()]);
    others.delete(host);
    if (others.size < run.plan.failureBudget) return undefined;
    return `${host} is left out of ${step} beside ${[...others].join(", ")}; the budget is ${run.plan.failureBudget}`;
  },
};

/** Other open runs of the release share its budget. */
function badBesides(
  { runs }: History,
  { key, moment }: { readonly key: string; readonly moment: number },
): Map<string, string> {
  const [disk] = key.split(" ");
  const release = runs.get(key)?.plan.release;
  const others = [...runs].flatMap(([name, run]) =>
    name !== key && name.startsWith(`${disk} `) && run.plan.release === release && !run.hasEnded ? run : [],
  );
  return new Map(others.flatMap((run) => [...(run.isRollingBack ? inDoubt : badBefore)(run, moment)]));
}

/** One that goes back may have taken back what was bad since; of which of its hosts nobody knows whether they did, it has said. */
function inDoubt({ outcomes, held }: RunHistory, moment: number): Map<string, string> {
  const found = new Map<string, string>();
  for (const [place, { outcome, at }] of outcomes) {
    const [, host = ""] = /^rollback\.(?:again\d+\.)?\d+\/(.*)$/.exec(place) ?? [];
    if (host !== "" && outcome !== "done" && at < moment && !held.has(host)) found.set(host, `${place} ${outcome}`);
  }
  return found;
}

/**
 * One word for each host. One that was left out within the budget is bad all the same; an operator's hold is his word that the host
 * does not count.
 */
function badBefore({ badSwitches, held }: RunHistory, moment: number): Map<string, string> {
  const bad = [...badSwitches].filter(([, { host, at }]) => at < moment && !held.has(host));
  return new Map(bad.map(([place, { host, outcome }]) => [host, `${place} ${outcome}`]));
}
