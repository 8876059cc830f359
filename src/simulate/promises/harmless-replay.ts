// P6: every task runs once for each time it was asked for, and the journal alone gives the state back.
import { reduce } from "../../run/machine.ts";
import { initialRunState, type RunState } from "../../run/run-state.ts";
import type { PromiseCheck } from "./promise-check.ts";

export const onceOnly: PromiseCheck = {
  promise: "P6",
  title: "handing a step over again runs nothing twice",
  check: ({ fact, history }) => {
    if (fact.kind !== "task" || fact.event.state !== "running") return undefined;
    const { host, step, event } = fact;
    const key = `${host.name} ${step.run} ${step.step} ${event.task} ${event.action}`;
    return history.begun.has(key) ? `${key} began twice` : undefined;
  },
};

export const replayed: PromiseCheck = {
  promise: "P6",
  title: "replaying the journal gives the state that the driver had",
  check: ({ fact }) => {
    if (fact.kind !== "drove") return undefined;
    const again = fact.events.reduce((state, event) => reduce(state, event, fact.run), initialRunState);
    return isSame(fact.state, again) ? undefined : `${fact.run} reads back as another state`;
  },
};

function isSame(a: RunState, b: RunState): boolean {
  return (
    a.outcome === b.outcome &&
    a.position === b.position &&
    a.hosts.equals(b.hosts) &&
    a.leftOut.equals(b.leftOut) &&
    a.leftInBudget.equals(b.leftInBudget) &&
    a.submitted.equals(b.submitted) &&
    a.endedSteps.equals(b.endedSteps) &&
    a.quarantined.equals(b.quarantined) &&
    a.tasks.map(({ state }) => state).equals(b.tasks.map(({ state }) => state))
  );
}
