// R36: nothing behind a gate begins before somebody has opened it, whoever drives the run by then.
import type { PromiseCheck } from "./promise-check.ts";

export const closedGate: PromiseCheck = {
  promise: "R36",
  title: "nothing behind a closed gate begins",
  check: ({ fact, history }) => {
    if (fact.kind !== "sent") return undefined;
    const run = history.runs.get(`${fact.disk} ${fact.fence.run}`);
    if (run === undefined || run.isRollingBack) return undefined;
    const at = run.plan.steps.findIndex(({ id }) => id === fact.step);
    const closed = run.plan.steps
      .slice(0, Math.max(at, 0))
      .find(({ id, kind }) => kind === "gate" && !run.opened.has(id));
    return closed && `${fact.step} goes to ${fact.host}, and ${closed.id} before it is closed`;
  },
};
