// The lease on a real remote: one holder, epochs that only rise, and no way back for who lost it.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type GitLeaseOptions, gitLease } from "../../src/adapters/git-lease.ts";
import { instanceId } from "../../src/adapters/instance-id.ts";
import { type ReleaseRepo, withReleaseRepo } from "../support/with-release-repo.ts";

const controller = (repo: ReleaseRepo, options: Partial<GitLeaseOptions> = {}) =>
  gitLease({ url: repo.remote, mirror: repo.newMirror(), ...options });
const ask = (holder: string, now = 1_000_000, takeOver = false) => ({ holder, takeOver, now, ttlMs: 60_000 });

test("of several takers at the same moment exactly one gets the lease, the others learn its name (F18)", () =>
  withReleaseRepo(async (repo) => {
    const names = ["a", "b", "c", "d"];
    const results = await Promise.allSettled(names.map((name) => controller(repo).acquire(ask(name))));
    const won = results.filter((result) => result.status === "fulfilled");
    assert.equal(won.length, 1);
    assert.equal(won[0]?.value.epoch, 1);
    for (const result of results) {
      if (result.status === "rejected") {
        assert.equal(result.reason.code, "lease-held");
        assert.match(
          result.reason.message,
          new RegExp(`^${won[0]?.value.holder} holds the lease \\(epoch 1\\), renewed 0 s ago$`),
        );
      }
    }
  }));

test("two takers over take two different epochs, and only the later one can renew (F18, P5)", () =>
  withReleaseRepo(async (repo) => {
    const [a, b] = [controller(repo), controller(repo)];
    const leases = await Promise.all([a.acquire(ask("a", 1_000_000, true)), b.acquire(ask("b", 1_000_000, true))]);
    assert.deepEqual(leases.map(({ epoch }) => epoch).sort(), [1, 2]);
    const renewals = await Promise.allSettled([a.renew(leases[0], 1_010_000), b.renew(leases[1], 1_010_000)]);
    assert.deepEqual(renewals.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    const lost = renewals.find((each) => each.status === "rejected");
    assert.equal(lost?.reason.code, "lease-lost");
  }));

test("a holder that was stopped past its lease finds it taken when it wakes, and cannot renew or give it up (F18)", () =>
  withReleaseRepo(async (repo) => {
    const [a, b] = [controller(repo), controller(repo)];
    const old = await a.acquire(ask("a"));
    await assert.rejects(b.acquire(ask("b", 1_059_999)), { code: "lease-held", exitCode: 5 });
    const taken = await b.acquire(ask("b", 1_060_000));
    assert.equal(taken.epoch, 2);
    await assert.rejects(a.renew(old, 1_061_000), { code: "lease-lost" });
    await a.release(old);
    assert.equal((await b.renew(taken, 1_070_000)).epoch, 2);
  }));

test("a renewed lease is not free when its first term is over, also not for a clock that is a day ahead (F19)", () =>
  withReleaseRepo(async (repo) => {
    const [a, b] = [controller(repo), controller(repo)];
    const first = await a.acquire(ask("a"));
    await assert.rejects(b.acquire(ask("b")), { code: "lease-held" });
    const renewed = await a.renew(first, 1_050_000);
    assert.notEqual(renewed.object, first.object);
    await assert.rejects(b.acquire(ask("b", 1_070_000)), { code: "lease-held" });
    await assert.rejects(b.acquire(ask("b", 1_050_000 + 86_400_000)), { code: "lease-held" });
  }));

test("a dead holder's lease becomes free for a clock that is a day behind, once it was seen unchanged for its term (F19)", () =>
  withReleaseRepo(async (repo) => {
    const [a, b] = [controller(repo), controller(repo)];
    await a.acquire({ ...ask("a", 90_000_000), ttlMs: 200 });
    const late = { ...ask("b", 1_000_000), ttlMs: 200 };
    await assert.rejects(b.acquire(late), { code: "lease-held" });
    const start = performance.now();
    while (performance.now() - start < 10_000) {
      const lease = await b.acquire(late).catch((error: { code?: string }) => assert.equal(error.code, "lease-held"));
      if (lease) return assert.equal(lease.epoch, 2);
    }
    assert.fail("never became free");
  }));

test("epochs rise with every acquisition, also after a release, a restart, and a deleted ref", () =>
  withReleaseRepo(async (repo) => {
    const a = controller(repo);
    const first = await a.acquire(ask("a"));
    assert.equal((await a.acquire(ask("a"))).epoch, 2);
    await a.release(first);
    const third = await controller(repo).acquire(ask("a"));
    assert.equal(third.epoch, 3);
    await a.release(third);
    await a.release(third);
    assert.equal((await controller(repo).acquire(ask("b"))).epoch, 4);
    await repo.git("--git-dir", repo.remote, "update-ref", "-d", "refs/cutover/lease");
    assert.equal((await controller(repo, { knownEpoch: () => 4 }).acquire(ask("c"))).epoch, 5);
  }));

test("a renewal whose reply was lost is found again, not mistaken for a loss", () =>
  withReleaseRepo(async (repo) => {
    const a = controller(repo);
    const first = await a.acquire(ask("a"));
    await a.renew(first, 1_010_000);
    const again = await a.renew(first, 1_020_000);
    assert.equal((await a.renew(again, 1_030_000)).epoch, 1);
  }));

test("a ref that is no lease stops everybody until a person says so", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit({ "a.txt": "a" });
    await repo.git("--git-dir", repo.remote, "update-ref", "refs/cutover/lease", commit);
    await assert.rejects(controller(repo).acquire(ask("a")), { code: "lease-held" });
    assert.equal((await controller(repo).acquire(ask("a", 1_000_000, true))).epoch, 1);
    await assert.rejects(controller(repo).acquire(ask("-x\nepoch 9")), { code: "holder-refused" });
  }));

test("two controllers of one name and different state directories do not share a lease; the one that starts again keeps its own (F18)", () =>
  withReleaseRepo(async (repo) => {
    const at = (directory: string) =>
      controller(repo, { instance: () => instanceId(join(repo.folder, directory, "state/instance")) });
    const one = at("one");
    const lease = await one.acquire(ask("a"));
    await assert.rejects(at("two").acquire(ask("a")), {
      code: "lease-held",
      message: "Another controller called a holds the lease (epoch 1), renewed 0 s ago",
    });
    assert.equal((await one.renew(lease, 1_001_000)).epoch, 1);
    assert.equal((await at("one").acquire(ask("a"))).epoch, 2, "the same controller, started again");
    assert.equal((await at("two").acquire(ask("a", 1_000_000, true))).epoch, 3);
    await assert.rejects(at("one").acquire(ask("a")), { code: "lease-held" });
    assert.equal((await at("one").acquire(ask("a", 1_060_000))).epoch, 4, "an expired one is free for all");
    await controller(repo).acquire(ask("a", 1_060_000, true));
    assert.equal((await at("two").acquire(ask("a", 1_060_000))).epoch, 6, "a lease without an id goes by its name");
  }));

test("the id of a controller is the same for all who ask at once, and a damaged one is not guessed at", () =>
  withReleaseRepo(async (repo) => {
    const path = join(repo.folder, "state/instance");
    const ids = await Promise.all([1, 2, 3, 4].map(() => instanceId(path)));
    assert.equal(new Set(ids).size, 1);
    assert.equal(await instanceId(path), ids[0]);
    await writeFile(path, "nonsense");
    await assert.rejects(instanceId(path), { code: "lacking", exitCode: 69 });
  }));
