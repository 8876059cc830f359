// A plan in a few readable lines, as test/cases/*.yaml spell it.
import type { Plan } from "../../src/model/plan.ts";
import type { Task } from "../../src/model/task.ts";

/** One line a host of a step: `switch.1 h1: app drain, app switch`. `,` goes on, `+` is side by side. */
export function outlinePlan(plan: Plan): string[] {
  return plan.steps.flatMap((step) =>
    step.kind === "gate"
      ? [`${step.id}: waits for a person`]
      : step.work.map(({ host, groups }) => {
          const soak = step.soakSeconds > 0 ? ` (soak ${step.soakSeconds} s)` : "";
          return `${step.id} ${host}: ${groups.map((group) => group.map(outlineTask).join(" + ")).join(", ")}${soak}`;
        }),
  );
}

function outlineTask({ component, kind, action, options }: Task): string {
  return `${component} ${action === "undo" ? "undo " : ""}${kind === "hook" ? `task ${options.name}` : kind}`;
}
