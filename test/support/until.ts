// Waiting for a condition, with a deadline and a name for what did not come.
import { setTimeout as delay } from "node:timers/promises";

/** Resolves as soon as `condition` holds; rejects with what was waited for once `withinMs` have passed. */
export async function until(what: string, withinMs: number, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (let asked = performance.now(); !(await condition()); asked = performance.now()) {
    const now = performance.now();
    if (now > deadline) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    // A question that starts a process is not asked all the time: what is waited for needs the machine, too.
    await delay(Math.min(Math.max(10, 2 * (now - asked)), 100));
  }
}
