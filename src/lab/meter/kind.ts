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
  /** Closes what is still open; what ends from here on is the meter's doing and not counted. Nothing is in flight any more. */
  close(): void;
}

/** What a kind sends in a second unless it is told otherwise: small, since what counts is what happens during a switch. */
export const usualRates = {
  new: 50,
  long: 10,
  "keep-alive": 50,
  http2: 50,
  websocket: 20,
  sse: 0,
  tcp: 40,
} as const satisfies Readonly<Record<Traffic["kind"], number>>;
