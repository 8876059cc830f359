// LeasePort on refs/cutover/lease of the release remote: one compare-and-swap decides who writes (R56, F18).
// Losing it is safe at any moment, since hosts refuse the lower epoch (P5); clocks only decide how soon somebody tries.
import { CutoverError, RefusedError } from "../errors.ts";
import type { Lease, LeasePort } from "../ports.ts";
import { dropRef, fetchRef, type GitRemote, openMirror, pushRef, writeObject } from "./git-mirror.ts";
import { decodeLease, encodeLease, type LeaseText } from "./lease-text.ts";
import { expectGit } from "./run-git.ts";

const leaseRef = "refs/cutover/lease";
const attempts = 5;

export interface GitLeaseOptions extends GitRemote {
  /** Highest epoch that is known from elsewhere, such as the journal: a deleted lease ref must not lead back below it. */
  readonly knownEpoch?: () => number;
  /** Tells this controller from another one of the same name; without it the name alone counts. */
  readonly instance?: () => Promise<string>;
}

/** What the remote has, and since when this process has seen it unchanged (monotonic milliseconds). */
interface Seen {
  readonly object: string | undefined;
  readonly text: LeaseText | undefined;
}

export function gitLease(options: GitLeaseOptions): LeasePort {
  const { mirror, knownEpoch = () => 0 } = options;
  let watched: { object: string | undefined; since: number; alive: boolean } | undefined;

  const look = async (): Promise<Seen & { unchangedMs: number; seenAlive: boolean }> => {
    const seen = await readLease(options);
    if (watched === undefined || watched.object !== seen.object) {
      watched = { object: seen.object, since: performance.now(), alive: watched !== undefined };
    }
    return { ...seen, unchangedMs: performance.now() - watched.since, seenAlive: watched.alive };
  };
  const swap = async (text: LeaseText, expected: string | undefined): Promise<{ object: string; won: boolean }> => {
    const tree = (await expectGit({ repository: mirror, args: ["mktree"] })).trim();
    const object = await writeObject(mirror, { type: "commit", content: encodeLease(text, tree) });
    return { object, won: (await pushRef(options, { ref: leaseRef, object, expected })) === "pushed" };
  };

  return {
    async acquire({ holder, takeOver, now, ttlMs }) {
      assertHolder(holder);
      await openMirror(options);
      for (let attempt = 1; attempt <= attempts; attempt++) {
        const { object: expected, text: current, unchangedMs, seenAlive } = await look();
        if (expected !== undefined && current === undefined && !takeOver) throw foreignLease();
        const instance = await options.instance?.();
        if (current?.holder !== undefined && !isOurs(current, { holder, instance }) && !takeOver) {
          // A clock that is wrong by a day does not free a lease that we have seen renewed, nor keep a dead one (F19).
          const expired = unchangedMs >= current.ttlMs || (!seenAlive && now >= current.at + current.ttlMs);
          if (!expired) throw leaseHeld(current, { holder, now });
        }
        const epoch = Math.max(current?.epoch ?? 0, knownEpoch()) + 1;
        const { object, won } = await swap(
          { holder, epoch, at: now, ttlMs, nonce: crypto.randomUUID(), instance },
          expected,
        );
        if (won || (await look()).object === object) return { holder, epoch, ttlMs, object };
      }
      throw new CutoverError({
        code: "lease-contended",
        message: `The lease changed ${attempts} times while we asked for it`,
        disposition: "retry",
        remedy: "cutover status",
      });
    },
    async renew(lease, now) {
      const { holder, epoch, ttlMs } = lease;
      const instance = await options.instance?.();
      const { object, won } = await swap(
        { holder, epoch, at: now, ttlMs, nonce: crypto.randomUUID(), instance },
        lease.object,
      );
      if (won) return { ...lease, object };
      // An earlier renewal whose reply was lost is still ours: go on from it.
      const seen = await look();
      if (seen.text?.holder !== holder || seen.text.epoch !== epoch || seen.object === undefined)
        throw leaseLost(lease, seen.text);
      return { ...lease, object: seen.object };
    },
    async release({ epoch, ttlMs, object, holder }) {
      const seen = await look();
      const ours = seen.text?.holder === holder && seen.text.epoch === epoch;
      if (ours)
        await swap(
          { holder: undefined, epoch, at: seen.text?.at ?? 0, ttlMs, nonce: crypto.randomUUID() },
          seen.object ?? object,
        );
    },
  };
}

async function readLease(remote: GitRemote): Promise<Seen> {
  const local = `refs/cutover/lease-work-${crypto.randomUUID()}`;
  try {
    const object = await fetchRef(remote, { from: leaseRef, to: local });
    if (object === undefined) return { object, text: undefined };
    const raw = await expectGit({
      repository: remote.mirror,
      args: ["cat-file", "-p", object],
      maxOutputBytes: 64 * 1024,
    });
    return { object, text: decodeLease(raw) };
  } finally {
    await dropRef(remote.mirror, local);
  }
}

function assertHolder(holder: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/.test(holder)) return;
  throw new RefusedError({
    code: "holder-refused",
    message: "A holder's name has letters, digits and . _ @ - only, at most 63",
    remedy: "Set `holder` in cutover.yaml",
  });
}

/** A lease that says no instance was taken by an older version: the name is all there is to go by. */
function isOurs(current: LeaseText, { holder, instance }: Pick<LeaseText, "holder" | "instance">): boolean {
  return current.holder === holder && (current.instance === undefined || current.instance === instance);
}

function leaseHeld(current: LeaseText, { holder, now }: { holder: string; now: number }): RefusedError {
  const age = Math.max(0, Math.round((now - current.at) / 1000));
  const namesake = current.holder === holder;
  return new RefusedError({
    code: "lease-held",
    message: `${namesake ? "Another controller called " : ""}${current.holder} holds the lease (epoch ${current.epoch}), renewed ${age} s ago`,
    impact: "This controller writes nothing",
    remedy: namesake
      ? "Stop it, or start this one with --take-over; two that shall take turns need names of their own: `holder` in cutover.yaml"
      : "Stop the other controller, or start this one with --take-over",
  });
}

function leaseLost(lease: Lease, current: LeaseText | undefined): RefusedError {
  return new RefusedError({
    code: "lease-lost",
    message: `${current?.holder ?? "Nobody"} holds the lease now (epoch ${current?.epoch ?? 0}); ours was epoch ${lease.epoch}`,
    impact: "This controller stops writing; hosts refuse its epoch",
    remedy: "cutover status",
  });
}

function foreignLease(): RefusedError {
  return new RefusedError({
    code: "lease-held",
    message: `${leaseRef} points at something that is not a lease`,
    impact: "This controller writes nothing",
    remedy: "Look at it with git ls-remote, or start with --take-over",
  });
}
