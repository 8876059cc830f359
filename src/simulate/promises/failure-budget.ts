// P9: unhealthy or unknown hosts stay within the budget; past it nothing more switches.
import type { PromiseCheck } from "./promise-check.ts";

export const failureBudget: PromiseCheck = {
  promise: "P9",
  title: "past the failure budget no further host switches",
  check: ({ now, fact, history }) => {
    if (fact.kind !== "sent") return undefined;
    const run = history.runs.get(`${fact.disk} ${fact.fence.run}`);
    const step = run?.steps.get(fact.step);
    if (run === undefined || step?.kind !== "switch" || run.isRollingBack) return undefined;
    // What was handed over once may have run: asking again is how it is read back.
    if (run.sent.has(`${fact.step}/${fact.host}`)) return undefined;
    const bad = [...run.badSwitches].filter(([, { host, at }]) => at < now && !run.leftOut.has(host));
    if (bad.length <= run.plan.failureBudget) return undefined;
    return `${fact.host} begins to switch after ${bad.map(([place, { outcome }]) => `${place} ${outcome}`).join(", ")}; the budget is ${run.plan.failureBudget}`;
  },
};
