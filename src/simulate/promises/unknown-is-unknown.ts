// P7: unknown is never success, and never retried blindly.
import type { RunHistory } from "../history.ts";
import { plannedStep, runOf } from "../history.ts";
import type { PromiseCheck } from "./promise-check.ts";

export const neverSuccess: PromiseCheck = {
  promise: "P7",
  title: "a run with an unknown host is not done",
  check: ({ fact, history }) => {
    if (fact.kind !== "journaled" || fact.event.kind !== "run-ended" || fact.event.outcome !== "done") return undefined;
    const run = history.runs.get(`${fact.disk} ${runOf(fact.event)}`);
    // A step that an operator added, to take one task back, says how it went to him, and decides nothing.
    const isPlanned = (place: string) => run?.steps.has(place.slice(0, place.lastIndexOf("/")));
    const open = run && [...run.outcomes].filter(([place, { outcome }]) => isPlanned(place) && outcome !== "done").map(([place]) => place); // biome-ignore format: one line
    return open === undefined || open.length === 0 ? undefined : `done, though ${open.join(", ")} is not`;
  },
};

export const silenceIsNoFailure: PromiseCheck = {
  promise: "P7",
  title: "a host that only could not be reached has not failed",
  check: ({ fact }) => {
    if (fact.kind !== "journaled" || fact.event.kind !== "host-ended" || fact.event.outcome !== "failed")
      return undefined;
    const { step, host, evidence } = fact.event;
    return evidence.startsWith("Cannot reach ") ? `${host} counts as failed in ${step}: ${evidence}` : undefined;
  },
};

export const neverOnward: PromiseCheck = {
  promise: "P7",
  title: "a host whose step is unknown gets no further step before it was read back",
  check: ({ fact, history }) => {
    if (fact.kind !== "sent") return undefined;
    const run = history.runs.get(`${fact.disk} ${fact.fence.run}`);
    if (run === undefined || run.isRollingBack) return undefined;
    const step = plannedStep(fact.step);
    const unknown = unknownSteps(run, fact.host).filter((each) => each !== step);
    return unknown.length === 0
      ? undefined
      : `${fact.host} is sent ${fact.step} while ${unknown.join(", ")} is unknown`;
  },
};

function unknownSteps(run: RunHistory, host: string): string[] {
  return [...run.steps.keys()].filter((step) => run.outcomes.get(`${step}/${host}`)?.outcome === "unknown");
}
