// R33: two runs that are open at once never work on the same component of the same host.
import { diskOf } from "../history.ts";
import type { PromiseCheck } from "./promise-check.ts";

export const oneClaim: PromiseCheck = {
  promise: "R33",
  title: "no component of a host is handed over by two open runs of one controller",
  check: ({ fact, history }) => {
    if (fact.kind !== "submitted") return undefined;
    const { host, step } = fact;
    const disk = diskOf(history, step.run);
    for (const { component } of step.groups.flat()) {
      const before = history.writers.get(`${disk} ${host.name} ${component}`);
      if (before === undefined || before === step.run || history.runs.get(`${disk} ${before}`)?.hasEnded) continue;
      return `${host.name}/${component} is handed over by ${step.run}, while ${before} is open`;
    }
    return undefined;
  },
};
