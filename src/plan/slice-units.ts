// The smallest parts that a plan can be cut into. Pure.
import type { Step } from "../model/plan.ts";
import type { Task } from "../model/task.ts";

/** What one step does with one component on one host. */
export interface Unit {
  readonly step: number;
  readonly host: string;
  readonly component: string;
  readonly tasks: readonly Task[];
}

export function unitsOf(steps: readonly Step[]): Unit[] {
  return steps.flatMap(({ work, traffic }, step) =>
    // What balancers do belongs to the switches that it is for.
    (traffic === undefined ? work : []).flatMap(({ host, groups }) =>
      [...Map.groupBy(groups.flat(), ({ component }) => component)].map(([component, tasks]) => {
        return { step, host, component, tasks };
      }),
    ),
  );
}
