// Status notes against real remotes, with writers that race.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gitNotes } from "../../src/adapters/git-notes.ts";
import { gitRepository } from "../../src/adapters/git-repository.ts";
import { type ReleaseRepo, withReleaseRepo } from "../support/with-release-repo.ts";

/** A writer with a mirror of its own, as on a machine of its own. */
async function newWriter(repo: ReleaseRepo) {
  const mirror = repo.newMirror();
  await gitRepository({ url: repo.remote, mirror, ref: "main" }).fetch();
  return gitNotes({ url: repo.remote, mirror });
}

const files = { "releases/a.yaml": "# nothing\n" };

test("eight writers at once: every record lands, none twice, nobody forces a push (F22, R3)", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(files);
    await repo.git("--git-dir", repo.remote, "config", "core.logAllRefUpdates", "always");
    const writers = await Promise.all(Array.from({ length: 8 }, () => newWriter(repo)));
    await Promise.all(writers.map((writer, index) => writer.publish(commit, `record of ${index}\n`)));
    const text = (await writers[0]?.read(commit)) ?? "";
    assert.deepEqual(
      text.trim().split(/\n+/).sort(),
      writers.map((_, index) => `record of ${index}`),
    );
    // Each push continued the one before: the notes' history is one line of eight.
    assert.equal(await repo.git("--git-dir", repo.remote, "rev-list", "--count", "refs/notes/cutover"), "8");
  }));

test("two writers that share one mirror do not disturb each other, and leave no ref behind", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(files);
    const mirror = repo.newMirror();
    await gitRepository({ url: repo.remote, mirror, ref: "main" }).fetch();
    const [a, b] = [gitNotes({ url: repo.remote, mirror }), gitNotes({ url: repo.remote, mirror })];
    await Promise.all([a.publish(commit, "from a"), b.publish(commit, "from b"), a.publish(commit, "again a")]);
    assert.equal((await b.read(commit))?.trim().split(/\n+/).length, 3);
    assert.equal(await repo.git("--git-dir", mirror, "for-each-ref", "refs/notes"), "");
  }));

test("a record that has landed already is not doubled by a second publish", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(files);
    const writer = await newWriter(repo);
    for (const note of ["one", "two", "one"]) await writer.publish(commit, note);
    assert.equal(await writer.read(commit), "one\n\ntwo\n");
  }));

test("a note that grows without end loses its oldest records, so that the next one can be published", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(files);
    const mirror = repo.newMirror();
    const writer = gitNotes({ url: repo.remote, mirror, keptBytes: 30 });
    for (const name of ["first", "second", "third"]) await writer.publish(commit, `record ${name}`);
    assert.equal(await writer.read(commit), "record second\n\nrecord third\n");
  }));

test("notes are found in the order of the commits, from one look, until the one that is looked for", () =>
  withReleaseRepo(async (repo) => {
    const commits = [await repo.commit(files), await repo.commit(files), await repo.commit(files)];
    const writer = await newWriter(repo);
    for (const commit of commits.slice(0, 2)) await writer.publish(commit, `note of ${commit}`);
    const seen: string[] = [];
    const visit = (until: number) => async (_: string, note: string) => seen.push(note.trim()) === until;
    const mirror = repo.newMirror();
    const repository = gitRepository({ url: repo.remote, mirror, ref: "main" });
    await repository.fetch();
    const newestFirst = await repository.history(commits[2] ?? "", 10);
    assert.deepEqual(newestFirst, commits.toReversed());
    assert.deepEqual(await repository.history(commits[2] ?? "", 2), newestFirst.slice(0, 2));
    await gitNotes({ url: repo.remote, mirror }).find(newestFirst, visit(9));
    assert.deepEqual(seen.splice(0), [`note of ${commits[1]}`, `note of ${commits[0]}`]);
    await gitNotes({ url: repo.remote, mirror }).find(newestFirst, visit(1));
    assert.deepEqual(seen, [`note of ${commits[1]}`]);
    assert.equal(await repository.message(commits[2] ?? ""), "change\n");
  }));

test("a clone is read as it is: remote branches, HEAD and short ids are names, notes are those it fetched, nothing is written", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(files);
    const remote = { url: repo.work, mirror: `${repo.work}/.git`, readOnly: true };
    const repository = gitRepository({ ...remote, ref: "main" });
    await repo.git("checkout", "--quiet", "--detach");
    await repo.git("commit", "--quiet", "--allow-empty", "-m", "on no branch");
    const head = await repo.git("rev-parse", "HEAD");
    assert.deepEqual(await repository.fetch(), { commit, ref: "refs/heads/main" });
    for (const [name, wanted] of [
      ["HEAD", head],
      ["origin/main", commit],
      [commit.slice(0, 10), commit],
    ] as const)
      assert.equal(await repository.resolve(name), wanted, name);
    const before = await repo.git("for-each-ref");
    assert.equal(await gitNotes(remote).read(commit), undefined);
    await repo.git("notes", "--ref=cutover", "add", "-m", "fetched", commit);
    assert.equal(await gitNotes(remote).read(commit), "fetched\n");
    await repo.git("update-ref", "-d", "refs/notes/cutover");
    assert.equal(await repo.git("for-each-ref"), before);
  }));

test("notes of other people on the same commit stay word for word", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(files);
    await repo.git("notes", "--ref=cutover", "add", "-m", "Seen by a person.\n\n  indented", commit);
    await repo.git("push", "--quiet", "origin", "refs/notes/cutover");
    const writer = await newWriter(repo);
    await writer.publish(commit, "data: x");
    assert.equal(await writer.read(commit), "Seen by a person.\n\n  indented\n\ndata: x\n");
  }));

test("a fanned-out notes tree keeps every note, and a fresh clone shows them with git log --notes (R3)", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(files);
    const empty = `committer t <t@t> 0 +0000\ndata 1\nm\n`;
    const history = Array.from({ length: 300 }, () => `commit refs/heads/main\n${empty}`)
      .join("\n")
      .replace("\ndata 1\nm\n", `\ndata 1\nm\nfrom ${commit}\n`);
    await importStream(repo, `${history}\n`);
    const commits = (await repo.git("rev-list", "--max-count=300", "HEAD")).split("\n");
    const notes = commits.map((id) => `N inline ${id}\ndata 2\nx\n\n`).join("");
    await importStream(repo, `commit refs/notes/cutover\n${empty}${notes}`);
    await repo.git("push", "--quiet", "origin", "main", "refs/notes/cutover");
    assert.match(await repo.git("ls-tree", "--name-only", "refs/notes/cutover"), /^[0-9a-f]{2}$/m);
    const writer = await newWriter(repo);
    await writer.publish(commit, "who runs what");
    await repo.git("fetch", "--quiet", "origin", "+refs/notes/*:refs/notes/*");
    assert.equal((await repo.git("notes", "--ref=cutover", "list")).split("\n").length, 301);
    assert.match(await repo.git("log", "--notes=cutover", "-1", commit), /who runs what/);
  }));

test("a lock that is in the way counts as contention, and the record lands once it is gone (F22)", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(files);
    const writer = await newWriter(repo);
    await writer.publish(commit, "first");
    const lock = join(repo.remote, "refs/notes/cutover.lock");
    await writeFile(lock, "");
    const second = writer.publish(commit, "second");
    const released = new Promise<void>((resolve, reject) => setTimeout(() => rm(lock).then(resolve, reject), 300));
    await Promise.all([second, released]);
    assert.equal(await writer.read(commit), "first\n\nsecond\n");
  }));

test("a server that forbids the ref is named as refusing, a remote that is gone as unreachable", () =>
  withReleaseRepo(async (repo) => {
    const commit = await repo.commit(files);
    const writer = await newWriter(repo);
    await writeFile(join(repo.remote, "hooks/pre-receive"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    await assert.rejects(writer.publish(commit, "x"), { code: "git-push-refused", exitCode: 5 });
    await repo.git("--git-dir", repo.remote, "config", "core.repositoryFormatVersion", "99");
    await assert.rejects(writer.publish(commit, "x"), { code: "git-remote-unreachable", disposition: "retry" });
    await assert.rejects(writer.read(commit), { code: "git-remote-unreachable" });
  }));

async function importStream(repo: ReleaseRepo, stream: string): Promise<void> {
  const path = join(repo.folder, "stream");
  await writeFile(path, stream);
  await repo.git("-c", `alias.import-file=!git fast-import --quiet --force < ${path}`, "import-file");
}
