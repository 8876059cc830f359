// Where the time of one pass went: what `cutover reconcile --profile` shows and writes.

/** Milliseconds; percentiles are of the single durations. */
export interface Durations {
  readonly count: number;
  readonly totalMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** One method of one port, from its call to its answer; waiting for others is part of it. */
export interface CallTimes extends Durations {
  /** `journal.append`. */
  readonly call: string;
  readonly errors: number;
}

/** Tasks of one kind, as hosts timed them; `distribute` is timed by the controller. */
export interface TaskTimes extends Durations {
  readonly kind: string;
  readonly action: "do" | "undo";
  readonly failed: number;
}

export interface ProcessTimes {
  readonly wallMs: number;
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
  readonly peakRssBytes: number;
  readonly eventLoop: {
    /** Share of the time in which the event loop was busy. */
    readonly utilization: number;
    /** How much later than asked the loop came round. */
    readonly delayMs: { readonly p50: number; readonly p99: number; readonly max: number };
  };
}

export interface Profile {
  readonly format: "cutover-profile/1";
  readonly runs: readonly string[];
  readonly process: ProcessTimes;
  /** The most time first. */
  readonly tasks: readonly TaskTimes[];
  readonly calls: readonly CallTimes[];
}

/** Nearest rank, so that every figure is one that was measured. */
export function durationsOf(milliseconds: readonly number[]): Durations {
  const sorted = Float64Array.from(milliseconds).sort();
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  const totalMs = sorted.reduce((sum, each) => sum + each, 0);
  return { count: sorted.length, totalMs, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

/** V8's format of sampled stacks, as the inspector gives it. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[] | undefined;
  }[];
  /** Microseconds. */
  readonly startTime: number;
  readonly endTime: number;
  /** A node's id for each sample. */
  readonly samples?: readonly number[] | undefined;
  readonly timeDeltas?: readonly number[] | undefined;
}
