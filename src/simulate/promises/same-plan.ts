// P12: the same inputs give the same plan, and what runs is the plan or less.

import { makePlan, type PlanInput } from "../../plan/make-plan.ts";
import { taskKey } from "../history.ts";
import type { PromiseCheck } from "./promise-check.ts";

export const samePlan: PromiseCheck = {
  promise: "P12",
  title: "the same inputs in another order give the byte-identical plan",
  check: ({ fact, history }) => {
    // Most passes find what the one before found; that plan was looked at.
    if (fact.kind !== "planned") return undefined;
    const plan = JSON.stringify(fact.plan);
    if (history.plansTurned.has(plan)) return undefined;
    history.plansTurned.add(plan);
    return JSON.stringify(makePlan(turned(fact.input))) === plan
      ? undefined
      : "the order of the inputs shows in the plan";
  },
};

/** The same values, everything that has no order the other way round. */
function turned(input: PlanInput): PlanInput {
  const other = <K, V>(map: ReadonlyMap<K, V>): Map<K, V> => new Map([...map].reverse());
  return {
    ...input,
    observations: other(input.observations),
    published: other(input.published),
    holds: other(input.holds),
    quarantined: other(input.quarantined),
    release: { ...input.release, components: [...input.release.components].reverse() },
  };
}

export const neverMore: PromiseCheck = {
  promise: "P12",
  title: "a host is asked for tasks of the plan, or for their undo, and for nothing else",
  check: ({ fact, history }) => {
    if (fact.kind !== "submitted") return undefined;
    const { host, step } = fact;
    const runs = [...history.runs].filter(([key]) => key.endsWith(` ${step.run}`)).map(([, run]) => run);
    const stranger = step.groups.flat().find((task) => !runs.some((run) => run.tasks.has(taskKey(task))));
    return (
      stranger &&
      `${host.name} got ${stranger.id} ${stranger.action} ${stranger.version}, which ${step.run} did not plan`
    );
  },
};
