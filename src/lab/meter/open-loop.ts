// The open loop: turns come by the clock, whether or not earlier ones are done. Latency counts from the scheduled time, so a stall
// shows up as slow requests instead of as fewer of them (no coordinated omission).

export interface OpenLoop {
  readonly ratePerSecond: number;
  /** Turns at most; `signal` ends it as well, also among turns that a stall has let pile up. */
  readonly limit: number;
  readonly signal: AbortSignal;
  /** `dueMs` is the time by `performance.now()` at which the turn was scheduled; it never is later than now. */
  readonly turn: (index: number, dueMs: number) => void;
  readonly everySecond?: (second: number) => void;
}

/** Resolves when the last turn has begun; returns the seconds that were reported. */
export async function openLoop({ ratePerSecond, limit, signal, turn, everySecond }: OpenLoop): Promise<number> {
  const startMs = performance.now();
  const scheduledMs = (index: number): number => startMs + (index * 1000) / ratePerSecond;
  let seconds = 0;
  for (let next = 0; next < limit && !signal.aborted; ) {
    const now = performance.now();
    for (; next < limit && scheduledMs(next) <= now && !signal.aborted; next += 1) turn(next, scheduledMs(next));
    if (now >= startMs + (seconds + 1) * 1000) {
      seconds = Math.floor((now - startMs) / 1000);
      everySecond?.(seconds);
    }
    if (next < limit) await wait(scheduledMs(next) - performance.now(), signal);
  }
  return seconds;
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
