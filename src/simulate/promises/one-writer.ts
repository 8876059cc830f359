// P5: one effective writer a host.
import type { PromiseCheck } from "./promise-check.ts";

export const oneWriter: PromiseCheck = {
  promise: "P5",
  title: "the host itself refuses a lower epoch",
  check: ({ fact, history }) => {
    if (fact.kind === "fenced") {
      const { host, fence } = fact;
      const before = history.fences.get(host.name);
      if (before === undefined || fence.epoch > before.epoch) return undefined;
      if (fence.epoch === before.epoch && fence.holder === before.holder) return undefined;
      return `${host.name} obeys epoch ${fence.epoch} of ${fence.holder} after epoch ${before.epoch} of ${before.holder}`;
    }
    if (fact.kind === "submitted") {
      const { host, step } = fact;
      const highest = history.fences.get(host.name)?.epoch ?? 0;
      if (step.fence.epoch >= highest) return undefined;
      return `${host.name} took ${step.step} of epoch ${step.fence.epoch} after epoch ${highest}`;
    }
    if (fact.kind === "task" && fact.event.state === "running") {
      const { host, step } = fact;
      const highest = history.fences.get(host.name);
      if (highest === undefined || step.fence.epoch >= highest.epoch) return undefined;
      // Its own run goes on under the newer epoch: the same plan, and what it does is read back by the newer writer.
      if (highest.runs.has(step.run) || highest.holder === step.fence.holder) return undefined;
      const group = step.groups.findIndex((tasks) => tasks.some(({ id }) => id === fact.event.task));
      return `${host.name} began group ${group} of ${step.step} (epoch ${step.fence.epoch}) under epoch ${highest.epoch}`;
    }
    return undefined;
  },
};
