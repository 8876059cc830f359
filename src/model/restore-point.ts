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
