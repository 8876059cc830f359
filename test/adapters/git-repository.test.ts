// The git side against real repositories: what a hostile remote, ref, address or commit can do, which is nothing.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { access, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gitRepository } from "../../src/adapters/git-repository.ts";
import { sshKeygenSigner } from "../../src/adapters/ssh-keygen.ts";
import { loadDesired } from "../../src/desired/load-desired.ts";
import { type ReleaseRepo, withReleaseRepo } from "../support/with-release-repo.ts";

const fleet = `apiVersion: cutover/v1
kind: Fleet
hosts:
  - {name: web1, address: 127.0.0.1, hostKeys: ["ssh-ed25519 AAAA"], components: [shop]}
`;
const release = (version: string) => `components: [{name: shop, version: "${version}"}]\n`;
const documents = { "releases/fleet.yaml": fleet, "releases/shop.yaml": release("1") };

const open = ({ remote, newMirror }: ReleaseRepo) => gitRepository({ url: remote, mirror: newMirror(), ref: "main" });
const load = async (repo: ReleaseRepo, repository = open(repo), trust = repo.trust, accepted?: string) => {
  const { commit } = await repository.fetch();
  return loadDesired(repository, {
    commit,
    directory: "releases",
    trust,
    ...(accepted === undefined ? {} : { accepted }),
  });
};

test("a signed commit becomes what its documents ask for", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(documents);
    const { desired, signer, documents: read } = await load(repo);
    assert.equal(signer, "alice");
    assert.equal(desired.commit, commit);
    assert.deepEqual(desired.releases[0]?.components[0]?.targets, [{ host: "web1", version: "1" }]);
    assert.deepEqual(
      read.map(({ path }) => path),
      ["releases/fleet.yaml", "releases/shop.yaml"],
    );
  }));

test("an unsigned commit, a stranger's signature, and an empty list of signers are refused", () =>
  withReleaseRepo(async (repo) => {
    for (const signer of ["none", "mallory"] as const) {
      await repo.commit(documents, signer);
      await assert.rejects(load(repo), { code: "commit-not-trusted", exitCode: 5 });
    }
    await repo.commit(documents);
    await assert.rejects(load(repo, open(repo), { ...repo.trust, commitSigners: [] }), { code: "commit-not-trusted" });
  }));

test("a commit altered after it was signed is refused", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(documents);
    const raw = await repo.git("cat-file", "commit", commit);
    await writeFile(join(repo.folder, "raw"), `${raw.replace(/\nchange$/, "\nchanged")}\n`);
    const forged = await repo.git("hash-object", "-t", "commit", "-w", join(repo.folder, "raw"));
    await repo.git("push", "--quiet", "--force", "origin", `${forged}:refs/heads/main`);
    await assert.rejects(load(repo), { code: "commit-not-trusted" });
    // The same commit with its own signature, rebuilt in the same way, is accepted: the refusal above was for the change.
    await writeFile(join(repo.folder, "raw"), `${raw}\n`);
    assert.equal(await repo.git("hash-object", "-t", "commit", join(repo.folder, "raw")), commit);
  }));

test("a trusted key's signature made for another purpose does not sign a commit (T10)", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(documents, "none");
    const payload = `${await repo.git("cat-file", "commit", commit)}\n`;
    for (const namespace of ["cutover-release", "file", "git"]) {
      const armor = await sshKeygenSigner().sign({ keyPath: join(repo.folder, "alice"), namespace, data: payload });
      const header = `gpgsig ${armor.trimEnd().replaceAll("\n", "\n ")}`;
      await writeFile(join(repo.folder, "raw"), payload.replace("\n\n", `\n${header}\n\n`));
      const signed = await repo.git("hash-object", "-t", "commit", "-w", join(repo.folder, "raw"));
      await repo.git("push", "--quiet", "--force", "origin", `${signed}:refs/heads/main`);
      if (namespace === "git") assert.equal((await load(repo)).signer, "alice");
      else await assert.rejects(load(repo), { code: "commit-not-trusted" });
    }
  }));

test("the Trust in an accepted commit judges the next one, and only an admin may change it", () =>
  withReleaseRepo(async (repo) => {
    const [alice, oscar] = repo.trust.commitSigners;
    assert.ok(alice && oscar);
    const trustText = (signers: typeof repo.trust.commitSigners) =>
      JSON.stringify({ ...repo.trust, commitSigners: signers });
    await repo.commit({ ...documents, "releases/trust.yaml": trustText([oscar]) }, "oscar");
    await assert.rejects(load(repo), { code: "trust-change-refused" });
    await repo.commit({ "releases/trust.yaml": trustText([oscar]) }, "alice");
    const { nextTrust } = await load(repo);
    assert.deepEqual(
      nextTrust.commitSigners.map(({ name }) => name),
      ["oscar"],
    );
    await repo.commit({ "releases/shop.yaml": release("2") }, "alice");
    await assert.rejects(load(repo, open(repo), nextTrust), { code: "commit-not-trusted" });
    await repo.commit({ "releases/shop.yaml": release("3") }, "oscar");
    await repo.git("rm", "--quiet", "releases/trust.yaml");
    await repo.commit({}, "oscar");
    assert.deepEqual((await load(repo, open(repo), nextTrust)).nextTrust, nextTrust);
  }));

test("a Release, a Fleet or the whole directory gone from git is an error, never a removal (P14)", () =>
  withReleaseRepo(async (repo) => {
    await repo.commit(documents);
    for (const [path, code] of [
      ["releases/shop.yaml", "nothing-released"],
      ["releases/fleet.yaml", "documents-missing"],
    ] as const) {
      await repo.git("rm", "--quiet", "--", path);
      await repo.commit({});
      await assert.rejects(load(repo), { code });
    }
    await repo.commit({ "releases/shop.yaml": release("1") });
    await assert.rejects(load(repo), { code: "documents-invalid" });
  }));

test("a rewritten history and a vanished remote keep the last good state (F23)", () =>
  withReleaseRepo(async (repo) => {
    const first = await repo.commit(documents);
    const accepted = await repo.commit({ "releases/shop.yaml": release("2") });
    const repository = open(repo);
    await load(repo, repository, repo.trust, first);
    await repo.git("reset", "--quiet", "--hard", first);
    await repo.commit({ "releases/shop.yaml": release("3") });
    await assert.rejects(load(repo, repository, repo.trust, accepted), { code: "history-rewritten" });
    await repo.git("push", "--quiet", "origin", "HEAD:other");
    await repo.git("--git-dir", repo.remote, "update-ref", "-d", "refs/heads/main");
    await assert.rejects(repository.fetch(), { code: "ref-missing", disposition: "retry" });
    await repo.git("--git-dir", repo.remote, "config", "core.repositoryFormatVersion", "99");
    await assert.rejects(repository.fetch(), { code: "git-remote-unreachable", disposition: "retry" });
    assert.equal((await repository.files(accepted, "releases")).length, 2);
  }));

test("a symbolic link or a submodule among the documents is refused, and what it points at never shows (T16)", () =>
  withReleaseRepo(async (repo) => {
    await repo.commit(documents);
    await symlink("/etc/passwd", join(repo.work, "releases/rel.yaml"));
    await repo.commit({});
    await assert.rejects(load(repo), (error: Error & { code?: string }) => {
      assert.equal(error.code, "unsafe-path");
      assert.doesNotMatch(JSON.stringify(error), /root:/);
      return true;
    });
    await repo.git("rm", "--quiet", "releases/rel.yaml");
    await repo.git("update-index", "--add", "--cacheinfo", `160000,${"a".repeat(40)},releases/sub`);
    await repo.git("commit", "--quiet", "-m", "submodule", `--gpg-sign=${join(repo.folder, "alice")}`);
    await repo.git("push", "--quiet", "origin", "main");
    await assert.rejects(load(repo), { code: "unsafe-path" });
  }));

test("the documents' directory itself may not be a link (T16)", () =>
  withReleaseRepo(async (repo) => {
    await repo.commit({ "elsewhere/fleet.yaml": fleet });
    await symlink("elsewhere", join(repo.work, "releases"));
    await repo.commit({});
    await assert.rejects(load(repo), { code: "unsafe-path" });
  }));

test("hooks, filters, attributes and submodules of a hostile repository run nothing (T17)", () =>
  withReleaseRepo(async (repo) => {
    const trace = join(repo.folder, "executed");
    const hook = `#!/bin/sh\ntouch ${trace}\n`;
    await repo.commit({
      ...documents,
      ".gitmodules": `[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch%20${trace}\n`,
      ".gitattributes": "* filter=evil diff=evil\n",
      ".gitconfig": `[filter "evil"]\n\tsmudge = touch ${trace}\n\tclean = touch ${trace}\n`,
      "hooks/post-checkout": hook,
    });
    const mirror = repo.newMirror();
    const repository = gitRepository({ url: repo.remote, mirror, ref: "main" });
    await repository.fetch();
    await mkdir(join(mirror, "hooks"), { recursive: true });
    for (const name of ["reference-transaction", "post-update", "pre-push", "post-index-change"]) {
      await writeFile(join(mirror, "hooks", name), hook, { mode: 0o755 });
    }
    await repo.commit({ "releases/shop.yaml": release("2") });
    await load(repo, repository);
    await assert.rejects(access(trace));
    await assert.rejects(access(join(mirror, "modules")));
  }));

test("500 ref names and addresses that look like options execute nothing (T18)", () =>
  withReleaseRepo(async (repo) => {
    await repo.commit(documents);
    const trace = join(repo.folder, "executed");
    const options = [
      "--upload-pack",
      "--receive-pack",
      "-u",
      "--exec",
      "-o",
      "-c",
      "--config",
      "--output",
      "--git-dir",
      "-oProxyCommand",
    ];
    const forms = [
      "=touch X",
      " touch X",
      "=$(touch X)",
      "=`touch X`",
      "=;touch X;",
      "=|touch X",
      "\ntouch X",
      "=sh -c 'touch X'",
      "\0touch X",
      "core.sshCommand=touch X",
    ];
    const wraps = [
      (s: string) => s,
      (s: string) => `refs/heads/${s}`,
      (s: string) => `ext::${s}`,
      (s: string) => `ssh://${s}/x`,
      (s: string) => `git@${s}:x`,
    ];
    const names = options.flatMap((option) =>
      forms.flatMap((form) => wraps.map((wrap) => wrap(`${option}${form.replace("X", trace)}`))),
    );
    assert.equal(names.length, 500);
    const repository = open(repo);
    await repository.fetch();
    for (const name of names) {
      await assert.rejects(repository.resolve(name), { code: "no-such-ref" });
      await assert.rejects(repository.isAncestor(name, name), { code: "no-such-ref" });
      assert.throws(() => gitRepository({ url: repo.remote, mirror: repo.newMirror(), ref: name }), {
        code: "ref-refused",
      });
      await assert.rejects(gitRepository({ url: name, mirror: repo.newMirror(), ref: "main" }).fetch(), {
        code: "url-refused",
      });
    }
    await assert.rejects(access(trace));
  }));

test("branches and tags of the remote with names like options are carried as data (T18)", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(documents);
    const trace = join(repo.folder, "executed");
    await repo.git("--git-dir", repo.remote, "update-ref", `refs/heads/--upload-pack=touch\${IFS}${trace}`, commit);
    assert.equal((await load(repo)).desired.commit, commit);
    await assert.rejects(access(trace));
  }));

test("a repository that names 10^10 paths is refused after less than 10 s of work (T20)", () =>
  withReleaseRepo(async (repo) => {
    await repo.commit(documents);
    const blob = (await repo.git("rev-parse", "HEAD:releases/shop.yaml")).trim();
    let tree = await mktree(repo, "blob", "100644", blob, "yaml");
    for (let level = 0; level < 10; level++) tree = await mktree(repo, "tree", "040000", tree, "d");
    const root = await mktreeText(repo, `040000 tree ${tree}\treleases\n`);
    const commit = await repo.git("commit-tree", root, "-m", "bomb", `-S${join(repo.folder, "alice")}`);
    await repo.git("push", "--quiet", "--force", "origin", `${commit}:refs/heads/main`);
    const before = process.cpuUsage();
    await assert.rejects(load(repo), { code: "repository-too-large" });
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 10_000_000, `${user + system} µs`);
  }));

test("a pack larger than allowed is refused, and the next repository is read all the same (T20)", () =>
  withReleaseRepo(async (repo) => {
    await repo.commit({ ...documents, "big.txt": randomBytes(300_000).toString("hex") });
    const limited = gitRepository({ url: repo.remote, mirror: repo.newMirror(), ref: "main", maxPackBytes: 64 * 1024 });
    await assert.rejects(limited.fetch(), { code: "git-remote-unreachable" });
    await load(repo);
  }));

test("a fetch that takes too long, or is called off, ends with all its processes", () =>
  withReleaseRepo(async (repo) => {
    await repo.commit(documents);
    const hung = gitRepository({
      url: repo.remote,
      mirror: repo.newMirror(),
      ref: "main",
      signal: AbortSignal.abort(new Error("called off")),
    });
    await assert.rejects(hung.fetch(), /called off/);
    const late = gitRepository({ url: repo.remote, mirror: repo.newMirror(), ref: "main", deadlineMs: 1 });
    await assert.rejects(late.fetch(), { code: "git-timeout", disposition: "retry" });
  }));

test("names resolve to commits, and callers at the same moment share one fetch", () =>
  withReleaseRepo(async (repo) => {
    const first = await repo.commit(documents);
    await repo.git("tag", "v1");
    await repo.git("push", "--quiet", "origin", "v1");
    const second = await repo.commit({ "releases/shop.yaml": release("2") });
    const repository = open(repo);
    const heads = await Promise.all([repository.fetch(), repository.fetch()]);
    assert.deepEqual(
      heads.map(({ commit }) => commit),
      [second, second],
    );
    assert.equal(await repository.resolve("main"), second);
    assert.equal(await repository.resolve("v1"), first);
    for (const back of ["main~1", "main^", "main^0~1", `${second}~`, `${second.slice(0, 12)}^1`])
      assert.equal(await repository.resolve(back), first, back);
    const tooFar = { code: "no-such-ref", remedy: "git log --oneline main" };
    for (const back of ["main~2", "main^2"]) await assert.rejects(repository.resolve(back), tooFar);
    for (const never of ["~1", "main~-1", "main^{tree}", "main@{1}", "main^{/x}", "nowhere~1", "main..main~1"])
      await assert.rejects(repository.resolve(never), { code: "no-such-ref" }, never);
    assert.equal(await repository.resolve(first), first);
    assert.equal(await repository.isAncestor(first, second), true);
    assert.equal(await repository.isAncestor(second, first), false);
    assert.equal(await repository.isAncestor("d".repeat(40), second), false);
  }));

async function mktree(repo: ReleaseRepo, type: string, mode: string, id: string, suffix: string): Promise<string> {
  const names = Array.from({ length: 10 }, (_, index) => `${index}.${suffix}`);
  return mktreeText(repo, names.map((name) => `${mode} ${type} ${id}\t${name}\n`).join(""));
}

async function mktreeText(repo: ReleaseRepo, text: string): Promise<string> {
  const index = join(repo.folder, "tree");
  await writeFile(index, text);
  return repo.git("-c", `alias.tree-from=!git mktree < ${index}`, "tree-from");
}
