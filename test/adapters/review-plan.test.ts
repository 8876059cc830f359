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
import { contractChangeText } from "../../src/model/review.ts";
import { Status } from "../../src/model/status.ts";
import { artifactRepository } from "../../src/package/artifact-repository.ts";
import { encodeNote, noteNamespace, notePayload } from "../../src/status/note-codec.ts";
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

test("every entry of a contract that a merge changes is in the review, against the version that the signed note names (R4)", () =>
  withReleaseRepo(async (repo) => {
    const key = join(repo.folder, "alice");
    const trust = { ...repo.trust, controllerKeys: repo.trust.releaseKeys };
    const signer = sshKeygenSigner();
    const store = artifactDirectory(join(repo.folder, "artifacts"));
    const publishShop = async (version: string, more: object) => {
      const tree = join(repo.folder, version);
      await mkdir(tree);
      await writeFile(join(tree, "run"), version, { mode: 0o755 });
      const document = { apiVersion: "cutover/v1", kind: "Component", name: "shop", root: "/srv/shop", ...more };
      const signing = { releaseKeys: [key], signer, now: Date.now() };
      return publish({ directory: tree, component: Component.parse(document), version, store, ...signing });
    };
    const { tree } = await publishShop("1.0.0", { env: { MODE: "a" }, backup: ["/srv/shop.db"] });
    await publishShop("1.1.0", { env: { MODE: "b", NEW: "1" } });
    const from = await repo.commit(base);
    const status = Status.parse({
      ...{ format: "cutover-status/1", release: "shop", commit: from, generation: "g", planHash: null, run: null },
      ...{ conditions: [], quarantined: [], at: 900, holder: "c", epoch: 1, trees: [{ component: "shop", version: "1.0.0", tree }] }, // biome-ignore format: one line
      targets: [{ host: "web1", component: "shop", from: null, version: "1.0.0", wanted: "1.0.0", since: 0, outcome: "in-sync" }], // biome-ignore format: one line
    });
    const reviewer = reviewerOf({ ...repo, trust });
    const signature = await signer.sign({ keyPath: key, namespace: noteNamespace, data: notePayload(status) });
    await gitNotes({ url: repo.remote, mirror: repo.newMirror() }).publish(from, encodeNote(status, signature));
    const head = await repo.commit({ "releases/release.yaml": releaseOf("1.1.0") });
    const { releases, failed } = await reviewPlan({ reviewer, base: from, head });
    assert.deepEqual(failed, []);
    assert.deepEqual(
      releases[0]?.contracts.map(({ component, from: old, to }) => [component, old, to]),
      [["shop", "1.0.0", "1.1.0"]],
    );
    assert.deepEqual(releases[0]?.contracts[0]?.changes.map(contractChangeText), [
      "env.1 MODE=a → MODE=b",
      "env.2 (none) → NEW=1",
      "backup.1 /srv/shop.db → (none)",
    ]);
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
