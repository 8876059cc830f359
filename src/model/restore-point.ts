// A restore point: backups of several components, taken at one moment on their hosts, so that they can be put back together (R17).
import type { Digest } from "./names.ts";

/** What a host says of its part. Times are hundredths of a second since boot: no step of a wall clock moves them (F19). */
export interface BackupPart {
  readonly point: string;
  /** What ran while it was taken; undefined when nothing was installed. */
  readonly version: string | undefined;
  readonly tree: Digest | undefined;
  /** SHA-256 over everything that it would put back: paths, kinds, modes, owners, links, bytes. */
  readonly state: Digest;
  /** When copying began, and when all was copied, or frozen so that it could be. */
  readonly fromCs: number;
  readonly toCs: number;
  /** Its wall clock, for people. */
  readonly wallMs: number;
  readonly bootId: string;
}

/** A host's clock beside ours, read at once. */
export interface ClockReading {
  readonly uptimeCs: number;
  readonly bootId: string;
}

/** What a release asks for. */
export interface RestorePointTerms {
  readonly components: readonly string[];
  readonly withinMs: number;
}

/** Parts that agree: taken within the limit, of the versions that the plan starts from. Times are those of our clock. */
export interface RestorePoint {
  /** `RUN.p1` */
  readonly id: string;
  /** Milliseconds since the epoch, when the first part began. */
  readonly at: number;
  readonly withinMs: number;
  /** From the first beginning to the last end, what is not known of the clocks included. */
  readonly spreadMs: number;
  /** SHA-256 over the states of all parts. */
  readonly state: Digest;
  readonly parts: readonly RestorePointPart[];
}

export interface RestorePointPart {
  readonly host: string;
  readonly component: string;
  readonly version: string | undefined;
  readonly tree: Digest | undefined;
  readonly state: Digest;
  /** After the beginning of the point. */
  readonly fromMs: number;
  readonly toMs: number;
  /** The host's own wall clock, which may be off. */
  readonly wallMs: number;
}

export interface RestorePointProblem {
  readonly host: string;
  readonly text: string;
}
