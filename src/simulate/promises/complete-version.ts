// P1 and P4: what runs is complete, and what could be gone back to stays.
import { ownBackup } from "../host/backup-of-run.ts";
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

/** Data of which what was saved is put back goes on with the old version: the next way back would lose what that has written since. */
export const savedAnew: PromiseCheck = {
  promise: "P4",
  title: "nothing is switched on the strength of a backup that was put back already",
  check: ({ fact }) => {
    if (fact.kind !== "changed" || fact.component.trial?.state !== "armed") return undefined;
    const { run } = fact.component.trial;
    const restored = ownBackup(fact.component, run)?.restored;
    return restored === undefined
      ? undefined
      : `${nameOf(fact)} is on trial again, and nothing was saved since ${run} put its backup back`;
  },
};

function neededVersions({ trial, committed }: ComponentTruth): string[] {
  const from = trial !== undefined && trial.state !== "reverted" ? trial.from : undefined;
  return [from, committed?.version].filter((version) => version !== undefined);
}

function nameOf({ host, component }: Extract<Moment["fact"], { kind: "changed" }>): string {
  return `${host.name}/${component.name}`;
}
