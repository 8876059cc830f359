// Reviews over a real repository: what is wrong with a head is part of the review, what is wrong with the base ends it.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { artifactDirectory } from "../../src/adapters/artifact-directory.ts";
import { gitNotes } from "../../src/adapters/git-notes.ts";
import { gitRepository } from "../../src/adapters/git-repository.ts";
import { patchTools } from "../../src/adapters/patch-tools.ts";
import { sshKeygenKeyMaker, sshKeygenSigner } from "../../src/adapters/ssh-keygen.ts";
import { publish } from "../../src/app/publish.ts";
import { type Reviewer, reviewPlan } from "../../src/app/review-plan.ts";
import { Component } from "../../src/model/component.ts";
import { artifactRepository } from "../../src/package/artifact-repository.ts";
import { type ReleaseRepo, withReleaseRepo } from "../support/with-release-repo.ts";

const fleet = `apiVersion: cutover/v1
kind: Fleet
hosts:
  - { name: web1, address: 127.0.0.1, user: cutover, hostKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF3MOfDmFJHBADSzwR1x1Szuqt7rvmouqmOLaE9oHihM], components: [shop] }
`;
const releaseOf = (version: string, name = "shop") => `kind: Release
apiVersion: cutover/v1
name: ${name}
components: [{ name: shop, version: "${version}" }]
`;
const base = { "releases/fleet.yaml": fleet, "releases/release.yaml": releaseOf("1.0.0") };

function reviewerOf(repo: ReleaseRepo): Reviewer {
  const remote = { url: repo.remote, mirror: repo.newMirror() };
  const signer = sshKeygenSigner();
  const store = artifactDirectory(join(repo.folder, "artifacts"));
  return {
    clock: { now: () => 1_000 },
    journal: { read: async () => [] },
    repository: gitRepository({ ...remote, ref: "main", signer }),
    notes: gitNotes(remote),
    artifacts: artifactRepository({ store, cacheDirectory: join(repo.folder, "cache"), tools: patchTools() }),
    signer,
    settings: { directory: "releases", firstTrust: repo.trust, concurrency: 10 },
  };
}

test("a head that nobody trusted signed is reviewed and said to be so; a version that is not published is named", () =>
  withReleaseRepo(async (repo) => {
    const from = await repo.commit(base);
    const head = await repo.commit({ "releases/release.yaml": releaseOf("2.0.0") }, "mallory");
    const review = await reviewPlan({ reviewer: reviewerOf(repo), base: from, head });
    assert.equal(review.head.signer, undefined);
    assert.deepEqual(review.failed.map(({ release, code }) => [release, code]), [["shop", "not-published"]]); // biome-ignore format: one line
  }));

test("documents with errors are reported with file and line, and a release that git lost is named, never removed (P14)", () =>
  withReleaseRepo(async (repo) => {
    const from = await repo.commit(base);
    const broken = await repo.commit({
      "releases/release.yaml": "kind: Release\napiVersion: cutover/v1\ncomponents: 3\n",
    });
    const lost = await repo.commit({ "releases/release.yaml": releaseOf("1.0.0", "store") });
    const reviewer = reviewerOf(repo);
    const [failure] = (await reviewPlan({ reviewer, base: from, head: broken })).failed;
    assert.equal(failure?.code, "documents-invalid");
    assert.match(failure.evidence, /^releases\/release\.yaml:3:/);
    assert.deepEqual((await reviewPlan({ reviewer, base: from, head: lost })).gone, ["shop"]);
  }));

test("a base that the Trust does not vouch for ends the review: nothing in it can say whom to trust", () =>
  withReleaseRepo(async (repo) => {
    const from = await repo.commit(base, "mallory");
    const head = await repo.commit({ "releases/release.yaml": releaseOf("2.0.0") });
    await assert.rejects(reviewPlan({ reviewer: reviewerOf(repo), base: from, head }), { code: "commit-not-trusted" });
    await assert.rejects(reviewPlan({ reviewer: reviewerOf(repo), base: from, head: "nowhere" }), {
      code: "no-such-ref",
    });
  }));

test("a head beside the base is warned of", () =>
  withReleaseRepo(async (repo) => {
    const root = await repo.commit(base);
    const from = await repo.commit({ "releases/release.yaml": releaseOf("1.1.0") });
    await repo.git("checkout", "--quiet", "-B", "side", root);
    const head = await repo.commit({ "releases/release.yaml": releaseOf("1.2.0") });
    await repo.git("push", "--quiet", "origin", "side");
    const review = await reviewPlan({ reviewer: reviewerOf(repo), base: from, head });
    assert.match(review.warnings[0]?.message ?? "", /does not contain the base/);
    assert.equal(review.trustChange, undefined);
  }));

test("a change of the Trust is named with its keys; who may not make it is refused, and the plan keeps the Trust in force (P2)", () =>
  withReleaseRepo(async (repo) => {
    const from = await repo.commit(base);
    const { name: _, ...trust } = repo.trust;
    const [key, tree] = [join(repo.folder, "mallory"), join(repo.folder, "tree")];
    const publicKey = await sshKeygenKeyMaker().publicKey(key);
    const component = Component.parse({ apiVersion: "cutover/v1", kind: "Component", name: "shop", root: "/srv/shop" });
    await mkdir(tree);
    await writeFile(join(tree, "run"), "1.0.0");
    const store = artifactDirectory(join(repo.folder, "artifacts"));
    const signing = { releaseKeys: [key], signer: sshKeygenSigner(), now: Date.now() };
    await publish({ directory: tree, component, version: "1.0.0", store, ...signing });
    const added = { ...trust, releaseKeys: [...trust.releaseKeys, publicKey] };
    const verdicts = [];
    for (const signer of ["mallory", "oscar", "alice"] as const) {
      await repo.git("checkout", "--quiet", "-B", signer, from);
      const head = await repo.commit({ "releases/trust.yaml": JSON.stringify(added) }, signer);
      await repo.git("push", "--quiet", "origin", signer);
      const { trustChange, failed } = await reviewPlan({ reviewer: reviewerOf(repo), base: from, head });
      assert.deepEqual(trustChange?.added, [`release key ${publicKey}`]);
      assert.deepEqual(trustChange.removed, []);
      verdicts.push([signer, trustChange.verdict, ...failed.map(({ code }) => code)]);
    }
    assert.deepEqual(verdicts, [
      ["mallory", "refused", "release-not-trusted"],
      ["oscar", "refused", "release-not-trusted"],
      ["alice", "by-admin"],
    ]);
  }));
