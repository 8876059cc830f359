// How a change is switched, and what its author promises of that: the same words in every form of the plan. Pure.
import type { PlannedChange } from "../model/plan.ts";

import { formatDuration } from "./units.ts";

type Switched = Pick<PlannedChange, "strategy" | "grade" | "drain">;

/** `exec, request-safe, drains until idle within 10 min`; a component without processes is not switched under anybody. */
export function switchWords({ strategy, grade, drain }: Switched): string {
  const drained = drain === undefined ? [] : [drainWords(drain)];
  const graded = strategy === "none" && grade === undefined ? [] : [grade ?? "no grade declared"];
  return [strategy, ...graded, ...drained].join(", ");
}

/** A time of day stands as it is; anything that is no end by itself ends with its time. */
function drainWords({ until, seconds }: NonNullable<PlannedChange["drain"]>): string {
  const most = formatDuration(seconds * 1_000);
  if (until === undefined || until === "deadline") return `drains ${most} at most`;
  return until === "idle" ? `drains until idle within ${most}` : `drains until ${until}`;
}
