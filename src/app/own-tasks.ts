// Work that goes on beside the loop: somebody waits for each piece of it, and a fault of one ends all.
export interface OwnTasks {
  /** Takes a piece of work over. */
  own(work: Promise<unknown>): void;
  /** Aborted with the first fault. */
  readonly fault: AbortSignal;
  /** Stops what goes by `fault`, without a fault. */
  end(): void;
  idle(): Promise<void>;
}

export function ownTasks(): OwnTasks {
  const fault = new AbortController();
  const open = new Set<Promise<unknown>>();
  let ended = false;
  return {
    fault: fault.signal,
    own(work) {
      const mine: Promise<unknown> = work
        .catch((error: unknown) => {
          if (!ended) fault.abort(error);
        })
        .finally(() => open.delete(mine));
      open.add(mine);
    },
    end() {
      ended = true;
      fault.abort(new Error("over"));
    },
    async idle() {
      while (open.size > 0) await Promise.allSettled(open);
    },
  };
}
