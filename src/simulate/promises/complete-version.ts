// P1 and P4: what runs is complete, and what could be gone back to stays.
import { ownBackup } from "../host/backup-of-run.ts";
import type { ComponentTruth, StepTruth } from "../host/truth.ts";
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

/**
 * Data of which what was saved is put back, or of which the switch failed before it was on trial, goes on with the old version: the next way
 * back would lose what that has written since. Where a task of the bundle has begun only the copy is what it was.
 */
export const savedAnew: PromiseCheck = {
  promise: "P4",
  title:
    "nothing is switched on the strength of a backup that was put back already, or that is older than a switch which failed",
  check: ({ fact }) => {
    if (fact.kind !== "changed" || fact.component.trial?.state !== "armed") return undefined;
    const { run } = fact.component.trial;
    const saved = ownBackup(fact.component, run);
    if (saved?.restored !== undefined)
      return `${nameOf(fact)} is on trial again, and nothing was saved since ${run} put its backup back`;
    if (saved === undefined || saved.begun.size > 0 || !fact.what.endsWith("is on trial")) return undefined;
    const failed = failedSince(fact, { run, step: saved.step });
    return failed === undefined
      ? undefined
      : `${nameOf(fact)} is on trial, and nothing was saved since its switch failed in ${failed} of ${run}`;
  },
};

/** The step in which the switch of a component failed, at the earliest the one that saved. */
function failedSince(
  { host, component }: Extract<Moment["fact"], { kind: "changed" }>,
  { run, step }: { readonly run: string; readonly step: string },
): string | undefined {
  const steps = [...host.steps.values()].filter((each) => each.run === run);
  const since = steps.slice(steps.findIndex((each) => each.step === step));
  const task = `${host.name}/${component.name}/switch`;
  const hasFailed = ({ events }: StepTruth) => events.some((event) => event.task === task && event.action === "do" && event.state === "failed"); // biome-ignore format: one line
  return since.find(hasFailed)?.step;
}

function neededVersions({ trial, committed }: ComponentTruth): string[] {
  const from = trial !== undefined && trial.state !== "reverted" ? trial.from : undefined;
  return [from, committed?.version].filter((version) => version !== undefined);
}

function nameOf({ host, component }: Extract<Moment["fact"], { kind: "changed" }>): string {
  return `${host.name}/${component.name}`;
}
