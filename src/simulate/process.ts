// A controller process as the outside sees it: it can be killed or stopped at any moment. What it waits for then never comes,
// or comes late; what it has sent is on its way.
import type { Clock } from "../ports.ts";
import type { EventQueue } from "./event-queue.ts";

export interface SimProcess {
  readonly name: string;
  isAlive(): boolean;
  kill(): void;
  /** SIGSTOP, and SIGCONT after so many milliseconds. */
  standStill(ms: number): void;
  /** Calls back after `ms`, later when it stands still then, never when it is dead. */
  later(ms: number, action: () => void): void;
  /** A promise that settles as `settle` says after `ms`; never once the process is dead. */
  wait<T>(ms: number, settle: () => T): Promise<T>;
  readonly clock: Clock;
}

/** Milliseconds since the epoch at which every simulation begins: 2026-01-01. */
const beginning = 1_767_225_600_000;

export function makeProcess({
  name,
  queue,
  skewMs,
}: {
  name: string;
  queue: EventQueue;
  /** How far its wall clock is off by now. */
  skewMs: () => number;
}): SimProcess {
  let alive = true;
  let stillUntil = 0;
  const later = (ms: number, action: () => void): void => {
    queue.after(ms, () => {
      if (!alive) return;
      if (queue.now() < stillUntil) later(stillUntil - queue.now(), action);
      else action();
    });
  };
  const wait = <T>(ms: number, settle: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      later(ms, () => {
        queue.touch();
        try {
          const value = settle();
          // It may just have died of it: then nobody hears of it.
          if (alive) resolve(value);
        } catch (error) {
          reject(error);
        }
      });
    });
  return {
    name,
    isAlive: () => alive,
    kill() {
      alive = false;
    },
    standStill(ms) {
      stillUntil = queue.now() + ms;
    },
    later,
    wait,
    clock: {
      now: () => beginning + queue.now() + skewMs(),
      sleep(ms, signal) {
        queue.touch();
        return wait(ms, () => signal?.throwIfAborted());
      },
    },
  };
}
