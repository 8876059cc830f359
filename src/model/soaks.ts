// How long batches are watched. Pure.
import type { Step } from "./plan.ts";

/** Seconds by batch, those of 0 too. The soak follows the last thing that a batch does: its confirmation, or traffic coming back. */
export function soaksOf(steps: readonly Step[]): ReadonlyMap<number, number> {
  const soaks = new Map<number, number>();
  for (const { batch, soakSeconds } of steps)
    if (batch > 0) soaks.set(batch, Math.max(soaks.get(batch) ?? 0, soakSeconds));
  return soaks;
}
