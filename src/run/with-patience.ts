// What may be over by itself is tried again, with growing pauses; anything else passes at once.
import { CutoverError } from "../errors.ts";
import type { Clock } from "../ports.ts";

export interface Patience {
  readonly clock: Clock;
  /** How long after a loss it is tried again; anything new starts the time afresh. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Told of a loss that is waited out, once, and until when it is tried again if nothing is heard. */
  readonly onLost?: (error: CutoverError, until: number) => void;
}

const firstRetryMs = 200;
const longestRetryMs = 5_000;

/** The host's word for: somebody with a higher epoch writes here. */
export const staleEpoch = "stale-epoch";

/** A lost link, an artifact repository that does not answer, a host that is busy: no verdict on anything (P7). */
export function isPassing(error: unknown): boolean {
  // guard P7: what may be over by itself is no verdict.
  return error instanceof CutoverError && error.disposition !== "stall" && error.code !== staleEpoch;
}

/** `heard` grows with what is new from the host: each loss after that has the whole patience, and a step has an end of news. */
export async function withPatience<T>(
  { clock, patienceMs, signal, onLost }: Patience,
  heard: ReadonlySet<string>,
  action: () => Promise<T>,
): Promise<T> {
  let lost: { readonly at: number; readonly heard: number } | undefined;
  let isTold = false;
  for (let pauseMs = firstRetryMs; ; pauseMs = Math.min(pauseMs * 2, longestRetryMs)) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof CutoverError) || !isPassing(error)) throw error;
      if (lost?.heard !== heard.size) {
        lost = { at: clock.now(), heard: heard.size };
        pauseMs = firstRetryMs;
        isTold = false;
      }
      if (clock.now() + pauseMs >= lost.at + patienceMs) throw error;
      // What is there again at once needs no word.
      if (!isTold && pauseMs > firstRetryMs) {
        isTold = true;
        onLost?.(error, lost.at + patienceMs);
      }
      await clock.sleep(pauseMs, signal);
    }
  }
}
