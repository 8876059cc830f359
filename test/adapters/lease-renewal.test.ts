// The lease while its remote is away: renewed late, lost only when its term is nearly over, and never in the way of a result.
import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gitLease } from "../../src/adapters/git-lease.ts";
import { processLock } from "../../src/adapters/process-lock.ts";
import { leaseTtlMs, withLease } from "../../src/app/controller.ts";
import { type ReleaseRepo, withReleaseRepo } from "../support/with-release-repo.ts";

test("a release repository that is away for a moment costs a later renewal, not the lease (F18)", () =>
  withReleaseRepo(async (repo) => {
    const world = leaseWorld(repo, async (sleeps) => {
      if (sleeps === 1) await world.takeAway();
      if (sleeps === 3) await world.bringBack();
      if (sleeps === 4) world.finish("done");
    });
    assert.equal(await world.run(), "done");
    assert.deepEqual(world.slept, [leaseTtlMs / 3, 1_000, 2_000, leaseTtlMs / 3]);
    assert.deepEqual(world.troubles, ["renew git-remote-unreachable", "renew git-remote-unreachable"]);
  }));

test("a release repository that stays away ends the work before the lease ends; neither its error nor a result is replaced", () =>
  withReleaseRepo(async (repo) => {
    const world = leaseWorld(repo, async (sleeps) => {
      if (sleeps === 1) await world.takeAway();
    });
    await assert.rejects(world.run(), { code: "git-remote-unreachable" });
    assert.ok(world.elapsed() < leaseTtlMs && world.elapsed() > leaseTtlMs / 2, `${world.elapsed()}`);
    assert.equal(world.troubles.at(-1), "release git-remote-unreachable");
    await world.bringBack();

    const finished = leaseWorld(repo, async () => {});
    finished.endless = true;
    const result = finished.run(async () => {
      await finished.takeAway();
      return "a result";
    });
    assert.equal(await result, "a result");
    assert.deepEqual(finished.troubles, ["release git-remote-unreachable"]);
    await finished.bringBack();
  }));

test("a lease that somebody else took is lost at once (F18, P5)", () =>
  withReleaseRepo(async (repo) => {
    const other = gitLease({ url: repo.remote, mirror: repo.newMirror() });
    const world = leaseWorld(repo, async () => {
      await other.acquire({ holder: "other", takeOver: true, now: Date.now(), ttlMs: leaseTtlMs });
    });
    await assert.rejects(world.run(), { code: "lease-lost" });
    assert.deepEqual(world.slept, [leaseTtlMs / 3]);
    assert.deepEqual(world.troubles, []);
  }));

/** A clock that jumps to where somebody sleeps to; `onSleep` hears how many there were. */
function leaseWorld(repo: ReleaseRepo, onSleep: (sleeps: number) => Promise<void>) {
  const start = 1_000_000;
  let now = start;
  const away = `${repo.remote}.away`;
  const work = Promise.withResolvers<string>();
  const world = {
    slept: [] as number[],
    troubles: [] as string[],
    endless: false,
    elapsed: () => now - start,
    takeAway: () => rename(repo.remote, away),
    bringBack: () => rename(away, repo.remote),
    finish: work.resolve,
    run: (use?: () => Promise<string>) =>
      withLease(
        {
          clock: { now: () => now, sleep },
          lease: gitLease({ url: repo.remote, mirror: repo.newMirror() }),
          processLock: processLock({ path: join(repo.folder, "lock"), command: "cutover serve" }),
          settings: { holder: "ctl" } as Parameters<typeof withLease>[0]["settings"],
        },
        {
          takeOver: true,
          signal: new AbortController().signal,
          onTrouble: (doing, error) =>
            world.troubles.push(`${doing} ${error instanceof Error && "code" in error ? error.code : error}`),
        },
        (_, signal) => {
          signal.addEventListener("abort", () => work.reject(signal.reason));
          return use ? use() : work.promise;
        },
      ),
  };
  async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (world.endless)
      return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    world.slept.push(ms);
    now += ms;
    await onSleep(world.slept.length);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return world;
}
