// A clock that a test turns on by hand: who sleeps wakes exactly when its time has come, and those of one time together.
import type { Clock } from "../../src/ports.ts";

export interface HandClock extends Clock {
  /** Resolves when all that sleeps until then has woken, and whatever it did at once is done. */
  turnTo(ms: number): Promise<void>;
  /** How many sleep. */
  sleeping(): number;
}

export function handClock(): HandClock {
  let now = 0;
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();
  return {
    now: () => now,
    sleep(ms, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const sleeper = { at: now + ms, wake: resolve };
      if (signal?.aborted) reject(signal.reason);
      else sleepers.add(sleeper);
      signal?.addEventListener("abort", () => sleepers.delete(sleeper) && reject(signal.reason), { once: true });
      return promise;
    },
    async turnTo(ms) {
      for (;;) {
        await settled();
        const next = Math.min(...[...sleepers].map(({ at }) => at));
        if (next > ms) break;
        now = Math.max(now, next);
        for (const sleeper of [...sleepers].filter(({ at }) => at === next)) {
          sleepers.delete(sleeper);
          sleeper.wake();
        }
      }
      now = Math.max(now, ms);
    },
    sleeping: () => sleepers.size,
  };
}

/** A few turns of the event loop: more than hosts in memory need for a step. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
