// So much at once and no more; who comes later takes whichever lane is free first, in the order in which they came.

export interface Lanes {
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when no lane is taken; rejects when aborted before. */
  idle(signal: AbortSignal): Promise<void>;
}

/** At least one lane. */
export function inLanes(count: number): Lanes {
  const most = Math.max(1, Math.floor(count));
  const line: (() => void)[] = [];
  let taken = 0;
  let emptied = Promise.withResolvers<void>();
  const leave = (): void => {
    const next = line.shift();
    if (next !== undefined) next();
    else taken -= 1;
    if (taken > 0) return;
    emptied.resolve();
    emptied = Promise.withResolvers();
  };
  return {
    async run(work) {
      if (taken < most) taken += 1;
      else await new Promise<void>((resolve) => line.push(resolve));
      try {
        return await work();
      } finally {
        leave();
      }
    },
    async idle(signal) {
      const aborted = Promise.withResolvers<never>();
      const onAbort = () => aborted.reject(signal.reason);
      aborted.promise.catch(() => undefined);
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        signal.throwIfAborted();
        while (taken > 0) await Promise.race([emptied.promise, aborted.promise]);
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    },
  };
}
