// P1 and P4: what runs is complete, and what could be gone back to stays.
import type { ComponentTruth } from "../host/truth.ts";
import type { Moment, PromiseCheck } from "./promise-check.ts";

export const completeVersion: PromiseCheck = {
  promise: "P1",
  title: "after the first install, current resolves to a complete, verified version",
  check: ({ fact, history }) => {
    if (fact.kind !== "changed") return undefined;
    const { host, component } = fact;
    if (history.tampered.has(`${host.name} ${component.name}`)) return undefined;
    const { current, committed, built } = component;
    if (current === undefined)
      return committed === undefined ? undefined : `${nameOf(fact)} has no current, ${committed.version} was committed`;
    return built.has(current) ? undefined : `${nameOf(fact)} runs ${current}, which is not complete`;
  },
};

export const previousVersion: PromiseCheck = {
  promise: "P4",
  title: "the previous healthy version stays intact until the next one is committed",
  check: ({ fact, history }) => {
    if (fact.kind !== "changed") return undefined;
    const { host, component } = fact;
    if (history.tampered.has(`${host.name} ${component.name}`)) return undefined;
    const needed = neededVersions(component);
    const missing = needed.filter((version) => !component.built.has(version));
    return missing.length === 0 ? undefined : `${nameOf(fact)} lost ${missing.join(", ")}, which it may go back to`;
  },
};

function neededVersions({ trial, committed }: ComponentTruth): string[] {
  const from = trial !== undefined && trial.state !== "reverted" ? trial.from : undefined;
  return [from, committed?.version].filter((version) => version !== undefined);
}

function nameOf({ host, component }: Extract<Moment["fact"], { kind: "changed" }>): string {
  return `${host.name}/${component.name}`;
}
