// Waiting for a condition, with a deadline and a name for what did not come.
import { setTimeout as delay } from "node:timers/promises";

/** What a machine that is busy with everything else takes for what it does in a second when it is not. */
const leastMs = 60_000;

/** Resolves as soon as `condition` holds; rejects with what was waited for once `withinMs`, or `leastMs`, have passed: a bound for what never comes. */
export async function until(what: string, withinMs: number, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + Math.max(withinMs, leastMs);
  for (let asked = performance.now(); !(await condition()); asked = performance.now()) {
    const now = performance.now();
    if (now > deadline) throw new Error(`waited ${Math.max(withinMs, leastMs)} ms in vain for ${what}`);
    // A question that starts a process is not asked all the time: what is waited for needs the machine, too.
    await delay(Math.min(Math.max(10, 2 * (now - asked)), 100));
  }
}
