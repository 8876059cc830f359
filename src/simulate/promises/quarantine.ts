// P16: a version shown to be bad is quarantined; git still asking for it starts no loop.
import { runOf } from "../history.ts";
import type { PromiseCheck } from "./promise-check.ts";

export const heldForAReason: PromiseCheck = {
  promise: "P16",
  title: "nothing is called quarantined that the journal does not know as bad",
  check: ({ fact, history }) => {
    if (fact.kind !== "planned") return undefined;
    const bad = [...history.quarantined];
    const held = fact.plan.held.find(
      ({ reason, component }) =>
        reason === "quarantined" && !bad.some((key) => key.startsWith(`${fact.disk} ${component}@`)),
    );
    return held && `${held.host}/${held.component} is held as quarantined, and nobody quarantined it`;
  },
};

export const quarantine: PromiseCheck = {
  promise: "P16",
  title: "no run begins with a version that an ended run of this controller showed to be bad",
  check: ({ fact, history }) => {
    if (fact.kind !== "journaled" || fact.event.kind !== "run-planned") return undefined;
    for (const { component, to, toTree, host } of fact.event.plan.changes) {
      const shownBy = history.shownBad.get(`${fact.disk} ${component}@${to}`);
      const isOver = shownBy !== undefined && history.runs.get(`${fact.disk} ${shownBy}`)?.hasEnded;
      if (isOver && shownBy !== runOf(fact.event)) {
        const known = history.quarantined.has(`${fact.disk} ${component}@${toTree}`)
          ? "quarantined"
          : "not quarantined";
        return `${runOf(fact.event)} brings ${component} ${to} to ${host}, which ${shownBy} showed to be bad (${known})`;
      }
    }
    return undefined;
  },
};
