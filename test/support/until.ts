// Waiting for a condition, with a deadline and a name for what did not come.
import { setTimeout as delay } from "node:timers/promises";

/** Resolves as soon as `condition` holds; rejects with what was waited for once `withinMs` have passed. */
export async function until(what: string, withinMs: number, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await delay(10);
  }
}
