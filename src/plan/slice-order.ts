// What a slice stands on that is no part of it: other components and hosts that switch first, tasks that run once first. Pure.
import type { Plan } from "../model/plan.ts";
import type { Unit } from "./slice-units.ts";

export interface SliceOrderInput {
  readonly plan: Plan;
  readonly units: readonly Unit[];
  readonly chosen: ReadonlySet<Unit>;
}

/** A sentence for each component that would switch without what the plan has before it. */
export function missingBefore({ plan, units, chosen }: SliceOrderInput): string[] {
  const kindOf = (unit: Unit) => plan.steps[unit.step]?.kind;
  const switches = Map.groupBy(
    units.filter((unit) => kindOf(unit) === "switch"),
    ({ component }) => component,
  );
  const before = componentsBefore(plan);
  const missing = new Set<string>();
  for (const [component, mine] of switches) {
    const chosenHere = mine.filter((unit) => chosen.has(unit));
    const [first] = chosenHere;
    if (first === undefined) continue;
    for (const other of before.get(component) ?? []) {
      const lower = switches.get(other) ?? [];
      // Where the plan moves all of the one before any of the other, the order is between machines; else on each host.
      const fleetWide = Math.max(...lower.map(({ step }) => step)) < Math.min(...mine.map(({ step }) => step));
      const needed = fleetWide ? lower : lower.filter(({ host }) => chosenHere.some((unit) => unit.host === host));
      const absent = needed.filter((unit) => !chosen.has(unit)).map(({ host }) => host);
      if (absent.length > 0) missing.add(`${component} comes after ${other}, which is left out on ${namesOf(absent)}`);
    }
    for (const task of units) {
      const step = plan.steps[task.step];
      if (step?.kind !== "task" || !step.id.startsWith("once.") || task.component !== component) continue;
      if (!chosen.has(task) && chosenHere.some((unit) => unit.step > task.step))
        missing.add(`${component} comes after its task ${task.tasks[0]?.id}, which is left out`);
    }
  }
  return [...missing];
}

/** By component, what goes directly before it: by the release, and by the units of hosts. */
function componentsBefore({ order = [], unitOrder = [] }: Plan): Map<string, Set<string>> {
  const direct = new Map<string, Set<string>>();
  const add = (before: string, after: string) =>
    direct.set(after, (direct.get(after) ?? new Set<string>()).add(before));
  for (const { before, after } of order) add(before, after);
  for (const { kind, component, after } of unitOrder) if (kind === "respected") add(after, component);
  return direct;
}

function namesOf(hosts: readonly string[]): string {
  const shown = hosts.slice(0, 5).join(", ");
  return hosts.length > 5 ? `${shown} and ${hosts.length - 5} more hosts` : shown;
}
