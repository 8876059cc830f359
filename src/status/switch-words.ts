// How a change is switched, and what its author promises of that: the same words in every form of the plan. Pure.
import type { PlannedChange } from "../model/plan.ts";

/** `exec, request-safe`; a component without processes is not switched under anybody. */
export function switchWords({ strategy, grade }: Pick<PlannedChange, "strategy" | "grade">): string {
  if (strategy === "none" && grade === undefined) return strategy;
  return `${strategy}, ${grade ?? "no grade declared"}`;
}
