// What every use case of the controller is given. Built once in wiring.ts.
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

type LeaseParts = Pick<Controller, "clock" | "lease" | "processLock" | "settings">;

/**
 * Holds the lease while `work` runs, renews it, and aborts the work when another controller took over (F18). A second
 * process on the same state directory is refused first, whatever `takeOver` says.
 */
export async function withLease<T>(
  controller: LeaseParts,
  request: { takeOver: boolean; signal: AbortSignal },
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
  controller: LeaseParts,
  { takeOver, signal }: { takeOver: boolean; signal: AbortSignal },
  work: (lease: Lease, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock } = controller;
  let lease = await controller.lease.acquire({
    holder: controller.settings.holder,
    takeOver,
    now: clock.now(),
    ttlMs: leaseTtlMs,
  });
  const over = new AbortController();
  const lost = new AbortController();
  const renewal = (async () => {
    for (;;) {
      await clock.sleep(leaseTtlMs / 3, over.signal);
      lease = await controller.lease.renew(lease, clock.now());
    }
  })().catch((error: unknown) => {
    if (!over.signal.aborted) lost.abort(error);
  });
  try {
    return await work(lease, AbortSignal.any([signal, lost.signal]));
  } finally {
    over.abort();
    await renewal;
    if (!lost.signal.aborted) await controller.lease.release(lease);
  }
}
