// P12: the same inputs give the same plan, what runs is the plan or less, and a second pass finds nothing to do (R5).

import { makePlan, type PlanInput } from "../../plan/make-plan.ts";
import { taskKey } from "../history.ts";
import type { PromiseCheck } from "./promise-check.ts";

export const samePlan: PromiseCheck = {
  promise: "P12",
  title: "the same inputs in another order give the byte-identical plan",
  check: ({ fact }) => {
    if (fact.kind !== "planned") return undefined;
    const again = makePlan(turned(fact.input));
    return JSON.stringify(again) === JSON.stringify(fact.plan)
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

export const atRest: PromiseCheck = {
  promise: "R5",
  title: "once nothing goes wrong any more the world comes to rest, as git asks or as the plan says why not",
  check: ({ fact, history, hosts }) => {
    if (fact.kind !== "rested") return undefined;
    // Damaged bytes that somebody's hand left in use, or a trial that he cut short, are told as stuck at every try.
    const isBeyondRepair = [...hosts.values()].some(({ components }) =>
      [...components.values()].some(
        ({ current, trial, damaged }) => damaged.has(current ?? "") || damaged.has(trial?.to ?? ""),
      ),
    );
    if (fact.why === "given-up") return isBeyondRepair ? undefined : "passes go on and on";
    const unseen = history.held.find(({ host, reason }) => reason === "unreachable" && hosts.get(host)?.isUp);
    if (unseen !== undefined) return `${unseen.host} answers, and counts as unreachable`;
    for (const host of hosts.values())
      for (const component of host.components.values()) {
        if (history.tampered.has(`${host.name} ${component.name}`)) continue;
        const { trial, current, committed } = component;
        const place = `${host.name}/${component.name}`;
        if (trial !== undefined && trial.state !== "reverted") {
          // A batch that went well waits for its commit while the release is held.
          if (trial.state === "confirmed" && history.held.length > 0) continue;
          // Without a boot guard nobody takes a trial back that another machine's controller began; the plan says so.
          if (trial.state !== "confirmed" && trial.bootId !== host.bootId && host.manager !== "systemd") continue;
          return `${place} rests while ${trial.to} is ${trial.state}`;
        }
        const isTold = history.held.some((held) => held.host === host.name && held.reason === "drifted");
        if (current !== committed?.version && !isTold)
          return `${place} rests on ${current}, not on ${committed?.version}`;
        // An undo that fails is told as stuck, and a person's matter.
        const isMended = !history.scenario.faults.some(
          (fault) => fault.kind === "bad-version" && fault.task === "undrain" && fault.component === component.name,
        );
        if (component.isDrained && isMended && !history.isStuckOnWayBack) return `${place} rests out of service`;
      }
    return undefined;
  },
};
