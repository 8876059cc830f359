// P4: what an undo of a backup puts back is the data of the version that serves, and all that a task may have changed.
import { ownBackup } from "../host/backup-of-run.ts";
import type { PromiseCheck } from "./promise-check.ts";

export const putBack: PromiseCheck = {
  promise: "P4",
  title: "the undo of a backup gives the current version its own data, wherever a task of the run may have changed it",
  check: ({ fact }) => {
    if (fact.kind !== "task" || fact.task.kind !== "backup" || fact.event.action !== "undo") return undefined;
    const { host, step, task, event } = fact;
    const component = host.components.get(task.component);
    const saved = component && ownBackup(component, task.options["trial-run"] ?? step.run);
    if (component === undefined || saved === undefined) return undefined;
    const place = `${host.name} ${step.run} ${step.step} ${event.task}`;
    if (event.state === "failed" && event.reason === "not-current" && saved.version === component.current)
      return `${place}: refused, though it is the data of ${saved.version}, which is current`;
    if (event.state !== "done") return undefined;
    if (event.evidence === "nothing-to-undo" && saved.hasBegun) return `${place}: left as it is, though a task began`;
    if (event.evidence === "restored" && component.data !== (component.current ?? ""))
      return `${place}: ${component.current} has the data of ${component.data}`;
    return undefined;
  },
};
