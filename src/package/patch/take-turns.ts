// So much of a kind of work at once and no more; the rest waits in line.

export type Turns = <T>(work: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

/** `most` is asked whenever somebody could start; one at a time always can. Who is aborted while waiting leaves the line. */
export function takeTurns(most: () => number): Turns {
  const line = new Set<() => void>();
  let running = 0;

  function callNext(): void {
    for (const start of line) {
      if (running >= Math.max(1, most())) return;
      line.delete(start);
      running += 1;
      start();
    }
  }

  async function ownTurn(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => {
      if (line.delete(resolve)) reject(signal?.reason);
    };
    signal?.addEventListener("abort", leave, { once: true });
    line.add(resolve);
    callNext();
    await promise.finally(() => signal?.removeEventListener("abort", leave));
  }

  return async (work, signal) => {
    await ownTurn(signal);
    try {
      return await work();
    } finally {
      running -= 1;
      callNext();
    }
  };
}
