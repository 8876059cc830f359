// Hints that it may be time for a pass.

export interface Hints {
  give(reason: string): void;
  /** Only the newest of these counts. */
  giveLater(reason: string, ms: number): void;
  stop(): void;
  /** The next one, undefined when aborted. */
  taken(signal: AbortSignal): Promise<string | undefined>;
}

/** Many hints become one. */
export function makeHints(): Hints {
  let pending: string | undefined;
  let wake = () => {};
  let timer: NodeJS.Timeout | undefined;
  const give = (reason: string) => {
    pending ??= reason;
    wake();
  };
  return {
    give,
    giveLater(reason: string, ms: number) {
      clearTimeout(timer);
      timer = setTimeout(() => give(reason), ms);
    },
    stop: () => clearTimeout(timer),
    async taken(signal: AbortSignal): Promise<string | undefined> {
      while (pending === undefined && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
      const reason = signal.aborted ? undefined : pending;
      pending = undefined;
      return reason;
    },
  };
}
