// Proposed commits in a real repository: one file changes, everything else is the parent's, and nobody's work is overwritten.
import assert from "node:assert/strict";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gitCommitWriter } from "../../src/adapters/git-commit-writer.ts";
import { gitRepository } from "../../src/adapters/git-repository.ts";
import { type ReleaseRepo, withReleaseRepo } from "../support/with-release-repo.ts";

const at = 1_700_000_000_000;

async function open(repo: ReleaseRepo) {
  const remote = { url: repo.remote, mirror: repo.newMirror() };
  const repository = gitRepository({ ...remote, ref: "main" });
  const { commit: parent } = await repository.fetch();
  return { writer: gitCommitWriter(remote), repository, parent };
}

test("a commit replaces the named files, keeps modes and everything else, and touches no ref, work tree or hook (R66, T17)", () =>
  withReleaseRepo(async (repo) => {
    await repo.commit({ "releases/a b.yaml": "old\n", "releases/-x.yaml": "x\n", "README.md": "kept\n" });
    await chmod(join(repo.work, "releases/a b.yaml"), 0o755);
    await repo.commit({});
    const { writer, parent } = await open(repo);
    const files = [
      { path: "releases/a b.yaml", text: "new: ü\n" },
      { path: "releases/-x.yaml", text: "y\n" },
    ];
    const message = "shop 1.2.4\n\n# not a comment\n\nCutover-Plan: sha256:0\n";
    const { commit, tree } = await writer.write({ parent, files, message, at });
    assert.equal(await writer.tip("cutover/propose-shop-1.2.4"), undefined);
    assert.equal(await writer.push({ branch: "cutover/propose-shop-1.2.4", commit, expected: undefined }), "pushed");
    await repo.git("fetch", "--quiet", "origin");
    const show = (format: string) => repo.git("log", "-1", `--format=${format}`, commit);
    assert.equal(
      await show("%an <%ae>|%cn|%at|%P|%T"),
      `cutover <cutover@localhost>|cutover|${at / 1000}|${parent}|${tree}`,
    );
    assert.equal(await show("%B"), message.trim());
    assert.equal(await repo.git("diff", "--name-status", parent, commit), "M\treleases/-x.yaml\nM\treleases/a b.yaml");
    assert.equal(await repo.git("show", `${commit}:releases/a b.yaml`), "new: ü");
    assert.match(await repo.git("ls-tree", commit, "releases/a b.yaml"), /^100755 /);
    assert.equal(await repo.git("rev-parse", "origin/main"), parent);
  }));

test("a file that the parent has not, or a link, is never written", () =>
  withReleaseRepo(async (repo) => {
    await repo.commit({ "releases/a.yaml": "a\n" });
    const { writer, parent } = await open(repo);
    for (const path of ["releases/b.yaml", "releases", "*.yaml", ":/releases/a.yaml"])
      await assert.rejects(writer.write({ parent, files: [{ path, text: "" }], message: "m", at }), {
        code: "no-such-file",
      });
  }));

test("a branch moves only from where it was seen, and a branch that somebody added to is told apart", () =>
  withReleaseRepo(async (repo) => {
    await repo.commit({ "releases/a.yaml": "a\n" });
    const { writer, repository, parent } = await open(repo);
    const files = (text: string) => [{ path: "releases/a.yaml", text }];
    const one = await writer.write({ parent, files: files("b\n"), message: "one", at });
    const two = await writer.write({ parent, files: files("c\n"), message: "two", at });
    const branch = "cutover/propose-a-1";
    assert.equal(await writer.push({ branch, commit: one.commit, expected: undefined }), "pushed");
    assert.equal(await writer.push({ branch, commit: two.commit, expected: undefined }), "contended");
    await repository.fetch();
    assert.deepEqual(await writer.tip(branch), { commit: one.commit, tree: one.tree, ours: true });
    assert.equal(await writer.push({ branch, commit: two.commit, expected: one.commit }), "pushed");
    await repo.git("fetch", "--quiet", "origin");
    await repo.git("checkout", "--quiet", "-b", "mine", `origin/${branch}`);
    await repo.git("commit", "--quiet", "--allow-empty", "-m", "mine");
    await repo.git("push", "--quiet", "origin", `HEAD:refs/heads/${branch}`);
    await repository.fetch();
    assert.equal((await writer.tip(branch))?.ours, false);
  }));

test("names that are no branch, or that read like options, are refused before git sees them (T18)", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit({ "releases/a.yaml": "a\n" });
    const { writer } = await open(repo);
    for (const branch of ["-f", "--mirror", "a..b", "a.lock", "refs/heads/main", "a b", "+main", ""])
      await assert.rejects(writer.push({ branch, commit, expected: undefined }), { code: "ref-refused" }, branch);
    await assert.rejects(writer.write({ parent: "--help", files: [], message: "m", at }), { code: "no-such-ref" });
  }));
