// What a way back asks for: the versions that a plan came from. Pure.
import type { DesiredRelease, ResolvedPolicy } from "../model/desired.ts";
import type { Plan, PlannedChange } from "../model/plan.ts";

/** What was there before, upper components first: the order of the way there, turned round. */
export function previousRelease(plan: Plan, changes: readonly PlannedChange[]): DesiredRelease {
  const before = changes.filter((change): change is PlannedChange & { from: string } => change.from !== undefined);
  const order = switchOrder(plan).filter((component) => before.some((change) => change.component === component));
  return {
    name: plan.release,
    components: order.map((name, index) => ({
      name,
      dependsOn: order.slice(index + 1),
      targets: before.filter(({ component }) => component === name).map(({ host, from }) => ({ host, version: from })),
    })),
    rollbackPolicy: "manual",
    policy: wayBackPolicy,
  };
}

/** Components in the order in which the plan switches them. */
function switchOrder(plan: Plan): string[] {
  const tasks = plan.steps.flatMap((step) => step.work.flatMap((work) => work.groups.flat()));
  return [...new Set(tasks.filter(({ kind }) => kind === "switch").map(({ component }) => component))];
}

/** One host first, also on the way back: emergency stops go in waves too. Going back again from a way back needs a person. */
const wayBackPolicy: ResolvedPolicy = {
  name: "way-back",
  canaries: 1,
  batchSize: "50%",
  soakSeconds: 0,
  failureBudget: 0,
  approval: "merge",
  drift: "heal",
};
