// Whose clock says what: a host's time since boot beside ours, from questions that were answered at once. Pure.
import type { ClockReading } from "../model/restore-point.ts";

export interface ClockSample {
  /** Our clock when the question went out and when the answer was there, milliseconds since the epoch. */
  readonly sentAt: number;
  readonly heardAt: number;
  readonly reading: ClockReading;
}

/** Our clock = the host's uptime + `offsetMs`, give or take `uncertaintyMs`. */
export interface HostClock {
  readonly bootId: string;
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
}

/** Uptime comes in hundredths of a second, cut off: on average it is half of one older. */
const halfTickMs = 5;

/**
 * The answer that came fastest counts: it was read at some moment between question and answer, so half of that time is how
 * far we may be off (Cristian 1989). Undefined without samples, or when the host was started anew among them.
 */
export function clockOf(samples: readonly ClockSample[]): HostClock | undefined {
  const [first] = samples;
  if (first === undefined || samples.some(({ reading }) => reading.bootId !== first.reading.bootId)) return undefined;
  const best = samples.reduce((a, b) => (b.heardAt - b.sentAt < a.heardAt - a.sentAt ? b : a));
  return {
    bootId: best.reading.bootId,
    offsetMs: (best.sentAt + best.heardAt) / 2 - best.reading.uptimeCs * 10 - halfTickMs,
    uncertaintyMs: (best.heardAt - best.sentAt) / 2 + halfTickMs,
  };
}

/** Our time as the host's uptime in hundredths, never earlier. */
export function uptimeAt({ offsetMs }: HostClock, at: number): number {
  return Math.ceil((at - offsetMs) / 10);
}

/** By how much the two clocks went apart between two looks, beyond what is not known of either. */
export function movedMs(before: HostClock, after: HostClock): number {
  const moved = Math.abs(after.offsetMs - before.offsetMs) - before.uncertaintyMs - after.uncertaintyMs;
  return Math.max(0, Math.round(moved));
}
