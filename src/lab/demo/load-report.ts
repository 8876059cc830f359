// What the load generator counts and prints: one JSON line a second, then one summary. The demo's picture and verdict read these.
import type { FailureReason } from "../meter/failure.ts";

export type { FailureReason };

export interface HostCounts {
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  readonly failedBy: Readonly<Partial<Record<FailureReason, number>>>;
  /** Answers by version, whatever their status. */
  readonly versions: Readonly<Record<string, number>>;
  /** From the scheduled time to the last byte, so that a request sent late counts as slow. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** `sent` counts requests scheduled within the second, the rest what ended within it. */
export interface LoadSecond {
  readonly kind: "second";
  readonly second: number;
  readonly hosts: Readonly<Record<string, HostCounts>>;
  readonly inFlight: number;
  /** How far behind its clock the generator sent; large values mean that the machine, not the hosts, was busy. */
  readonly latenessMaxMs: number;
  /** Since the start. */
  readonly total: { readonly sent: number; readonly ok: number; readonly failed: number };
}

export interface LoadFailure {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly host: string;
  readonly reason: FailureReason;
  readonly detail: string;
  readonly keepAlive: boolean;
}

/** sent = ok + failed: it is printed when nothing is in flight any more. */
export interface LoadSummary {
  readonly kind: "summary";
  readonly seconds: number;
  readonly ratePerSecond: number;
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  readonly hosts: Readonly<Record<string, HostCounts>>;
  readonly latenessP99Ms: number;
  readonly latenessMaxMs: number;
  /** The first failures, as evidence. */
  readonly failures: readonly LoadFailure[];
}

export type LoadLine = LoadSecond | LoadSummary;

export interface CompletedRequest {
  readonly latencyMs: number;
  readonly version: string | undefined;
  /** undefined is success. */
  readonly reason: FailureReason | undefined;
}

/** Counts of one host over some time. */
export interface HostTally {
  sent(): void;
  completed(request: CompletedRequest): void;
  counts(): HostCounts;
}

export function makeHostTally(): HostTally {
  let sent = 0;
  let ok = 0;
  let failed = 0;
  const failedBy: Partial<Record<FailureReason, number>> = {};
  const versions: Record<string, number> = {};
  const latencies: number[] = [];
  return {
    sent: () => {
      sent += 1;
    },
    completed: ({ latencyMs, version, reason }) => {
      latencies.push(latencyMs);
      if (version !== undefined) versions[version] = (versions[version] ?? 0) + 1;
      if (reason === undefined) {
        ok += 1;
      } else {
        failed += 1;
        failedBy[reason] = (failedBy[reason] ?? 0) + 1;
      }
    },
    counts: () => {
      const [p50Ms, p99Ms] = percentiles(latencies, [0.5, 0.99]) as [number, number];
      return { sent, ok, failed, failedBy: { ...failedBy }, versions: { ...versions }, p50Ms, p99Ms };
    },
  };
}

/** Nearest rank, to a tenth of a millisecond; 0 when there is nothing. */
export function percentiles(values: readonly number[], ranks: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort();
  return ranks.map((rank) => {
    const value = sorted[Math.max(0, Math.ceil(rank * sorted.length) - 1)] ?? 0;
    return Math.round(value * 10) / 10;
  });
}
