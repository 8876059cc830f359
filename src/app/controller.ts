// What every use case of the controller is given. Built once in wiring.ts.
import { CutoverError } from "../errors.ts";
import type { Trust } from "../model/trust.ts";
import type {
  ArtifactRepositoryPort,
  Clock,
  ExecutorPort,
  JournalPort,
  Lease,
  LeasePort,
  NotesPort,
  ProcessLockPort,
  ReleaseRepositoryPort,
  SignerPort,
} from "../ports.ts";

export interface ControllerSettings {
  /** Folder of the documents inside the release repository. */
  readonly directory: string;
  /** Trust pinned in cutover.yaml: what the very first commit is checked against. */
  readonly firstTrust: Trust;
  readonly envelopeKeyPath: string;
  /** Public half, without comment: signs envelopes and notes. */
  readonly envelopePublicKey: string;
  /** Names this controller in leases, fences and notes. */
  readonly holder: string;
  /** Hosts talked to at the same time. */
  readonly concurrency: number;
  /** How long a silent host is asked again before its outcome is unknown. */
  readonly patienceMs: number;
}

export interface Controller {
  readonly settings: ControllerSettings;
  readonly clock: Clock;
  readonly journal: JournalPort;
  readonly repository: ReleaseRepositoryPort;
  readonly notes: NotesPort;
  readonly lease: LeasePort;
  readonly processLock: ProcessLockPort;
  readonly artifacts: ArtifactRepositoryPort;
  readonly signer: SignerPort;
  readonly executor: ExecutorPort;
}

/** Long enough for a slow host, short enough that a dead controller's place is free again soon. */
export const leaseTtlMs = 5 * 60_000;
/** Renewing is tried until this long before the lease ends: what is under way then still has time to notice. */
const marginMs = leaseTtlMs / 5;
const firstRetryMs = 1_000;
const longestRetryMs = 15_000;

export interface LeaseRequest {
  readonly takeOver: boolean;
  readonly signal: AbortSignal;
  /** Told of a renewal that is tried again, and of a lease that could not be given up: it then ends by itself. */
  readonly onTrouble?: (doing: "renew" | "release", error: unknown) => void;
}
type LeaseParts = Pick<Controller, "clock" | "lease" | "processLock" | "settings">;

/**
 * Holds the lease while `work` runs, renews it, and aborts the work when another controller took over (F18). A second
 * process on the same state directory is refused first, whatever `takeOver` says.
 */
export async function withLease<T>(
  controller: LeaseParts,
  request: LeaseRequest,
  work: (lease: Lease, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lock = await controller.processLock.acquire();
  try {
    return await holdingLease(controller, request, work);
  } finally {
    await lock.release();
  }
}

async function holdingLease<T>(
  { clock, lease: leases, settings: { holder } }: LeaseParts,
  { takeOver, signal, onTrouble = () => {} }: LeaseRequest,
  work: (lease: Lease, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  let renewedAt = clock.now();
  let lease = await leases.acquire({ holder, takeOver, now: renewedAt, ttlMs: leaseTtlMs });
  const over = new AbortController();
  const lost = new AbortController();
  const renew = async (): Promise<void> => {
    for (let pauseMs = firstRetryMs; ; pauseMs = Math.min(pauseMs * 2, longestRetryMs)) {
      const now = clock.now();
      try {
        lease = await leases.renew(lease, now);
        renewedAt = now;
        return;
      } catch (error) {
        if (isLeaseLost(error) || clock.now() + pauseMs >= renewedAt + leaseTtlMs - marginMs) throw error;
        onTrouble("renew", error);
        await clock.sleep(pauseMs, over.signal);
      }
    }
  };
  const renewal = (async () => {
    for (;;) {
      await clock.sleep(leaseTtlMs / 3, over.signal);
      await renew();
    }
  })().catch((error: unknown) => {
    if (!over.signal.aborted) lost.abort(error);
  });
  try {
    return await work(lease, AbortSignal.any([signal, lost.signal]));
  } finally {
    over.abort();
    await renewal;
    // What the work gave or threw stands; a lease that nobody gave up ends by itself.
    if (!isLeaseLost(lost.signal.reason))
      await leases.release(lease).catch((error: unknown) => onTrouble("release", error));
  }
}

function isLeaseLost(error: unknown): boolean {
  return error instanceof CutoverError && error.code === "lease-lost";
}
