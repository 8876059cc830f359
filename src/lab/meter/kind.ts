// What every kind of traffic is to the meter: something that gets turns from the open loop, and in the end lets go.
import type { Tally } from "./meter-report.ts";
import type { Traffic } from "./traffic.ts";

export interface KindInput<T extends Traffic> {
  readonly address: string;
  readonly traffic: T;
  readonly tally: Tally;
  readonly timeoutMs: number;
}

export interface Kind {
  readonly ratePerSecond: number;
  /** One request or message. Resolves when it has been answered or has failed; never rejects. */
  turn(index: number, dueMs: number): Promise<void>;
  /**
   * After the last turn: resolves when each connection that stays has been heard of once more, or was given up. Without that, one
   * that fell silent shortly before the end would pass for whole.
   */
  settle?(): Promise<void>;
  /** Closes what is still open; what ends from here on is the meter's doing and not counted. Nothing is in flight any more. */
  close(): void;
}

/** Small, since what counts is what happens during a switch. */
const usualRates = {
  new: 50,
  long: 10,
  "keep-alive": 50,
  http2: 50,
  websocket: 20,
  sse: 0,
  tcp: 40,
} as const satisfies Readonly<Record<Traffic["kind"], number>>;

/**
 * Handshakes are the meter's own work as much as the service's, about 4 ms of a core: at 50 a second it fell behind by itself on
 * a busy machine.
 */
const usualHandshakes = 10;

/** What is sent in a second. */
export function rateOf(traffic: Traffic): number {
  if (traffic.kind === "sse") return usualRates.sse;
  if (traffic.ratePerSecond !== undefined) return traffic.ratePerSecond;
  return traffic.kind === "new" && traffic.tls === true ? usualHandshakes : usualRates[traffic.kind];
}
