// What the meter counts and prints: JSON lines, the last one a summary. Grades are made from these, and nothing else.
import type { Failure, FailureReason } from "./failure.ts";
import type { Traffic, TrafficKind } from "./traffic.ts";

/** sent = ok + failed: the report is made when nothing is in flight any more. For sse, what is sent are the events that came. */
export interface KindReport<Kind extends string = TrafficKind> {
  readonly kind: Kind;
  readonly port: number;
  readonly path: string;
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  readonly failedBy: Readonly<Partial<Record<FailureReason, number>>>;
  /** Of the connections that were tried, those of which nothing shows that the service accepted them. */
  readonly unaccepted: number;
  /** Answers by version, where the body tells. */
  readonly versions: Readonly<Record<string, number>>;
  /**
   * The longest that anything which was answered had to wait, from its scheduled time, without the work that was asked for. For
   * sse the longest time between two events.
   */
  readonly longestPauseMs: number;
  /** Connections that stay: how many were made, how many the service broke, and how many it ended in good form. */
  readonly streams: number;
  readonly cut: number;
  readonly ended: number;
  /** The first ones, as evidence. */
  readonly failures: readonly FailureSeen[];
}

export interface FailureSeen {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly reason: FailureReason | "cut" | "ended";
  readonly detail: string;
}

/** Kinds that were asked for if the service speaks them, and it does not. */
export interface NotSpoken {
  readonly kind: TrafficKind;
  readonly why: string;
}

export interface MeterSummary<Kind extends string = TrafficKind> {
  readonly kind: "summary";
  /** By its owner, by a bound of its own, or by a signal from elsewhere: of what its owner did after that it knows nothing. */
  readonly endedBy: "stop" | "bound" | "signal";
  readonly seconds: number;
  /** How far behind its clock the meter sent at worst: that much of a pause may be this machine's and not the service's. */
  readonly latenessMaxMs: number;
  readonly kinds: readonly KindReport<Kind>[];
  readonly notSpoken: readonly NotSpoken[];
}

export type MeterLine =
  /** Every kind has had a right answer. */
  | { readonly kind: "answered" }
  | { readonly kind: "second"; readonly sent: number; readonly failed: number; readonly cut: number }
  | MeterSummary;

const MOST_SHOWN = 20;

/** The counts of one kind of traffic. */
export interface Tally {
  sent(): void;
  /** `waitedMs` from the scheduled time. */
  right(waitedMs: number, version?: string): void;
  failed(failure: Omit<Failure, "unaccepted"> & { readonly unaccepted?: boolean }): void;
  /** A connection was tried and not accepted, and no request with it. */
  unaccepted(failure: Failure): void;
  streamOpened(): void;
  streamLost(how: "cut" | "ended", detail: string): void;
  paused(ms: number): void;
  report(): KindReport;
}

/** `onRight` is called with the first right answer. */
export function makeTally(traffic: Traffic, onRight: () => void): Tally {
  const counts = { sent: 0, ok: 0, failed: 0, unaccepted: 0, streams: 0, cut: 0, ended: 0 };
  const failedBy: Partial<Record<FailureReason, number>> = {};
  const versions: Record<string, number> = {};
  const failures: FailureSeen[] = [];
  let longestPauseMs = 0;
  const show = (reason: FailureSeen["reason"], detail: string): void => {
    if (failures.length < MOST_SHOWN) failures.push({ at: Date.now(), reason, detail });
  };
  const paused = (ms: number): void => {
    longestPauseMs = Math.max(longestPauseMs, ms);
  };
  return {
    sent() {
      counts.sent += 1;
    },
    right(waitedMs, version) {
      counts.ok += 1;
      paused(waitedMs);
      if (version !== undefined) versions[version] = (versions[version] ?? 0) + 1;
      if (counts.ok === 1) onRight();
    },
    failed({ reason, detail, unaccepted = false }) {
      counts.failed += 1;
      failedBy[reason] = (failedBy[reason] ?? 0) + 1;
      if (unaccepted) counts.unaccepted += 1;
      show(reason, detail);
    },
    unaccepted({ reason, detail }) {
      counts.unaccepted += 1;
      show(reason, detail);
    },
    streamOpened() {
      counts.streams += 1;
    },
    streamLost(how, detail) {
      counts[how] += 1;
      show(how, detail);
    },
    paused,
    report: () => ({
      kind: traffic.kind,
      port: traffic.port,
      path: "path" in traffic ? (traffic.path ?? "/") : "",
      ...counts,
      failedBy: { ...failedBy },
      versions: { ...versions },
      longestPauseMs: Math.round(longestPauseMs),
      failures: [...failures],
    }),
  };
}
