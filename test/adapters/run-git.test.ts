// Git that does not end, git whose children do not end, and a mirror that many fetches have left untidy.
import assert from "node:assert/strict";
import { chmod, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gitRepository } from "../../src/adapters/git-repository.ts";
import { runGit } from "../../src/adapters/run-git.ts";
import { tidyMirror } from "../../src/adapters/tidy-mirror.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";
import { until } from "../support/until.ts";
import { withReleaseRepo } from "../support/with-release-repo.ts";

/** Puts a program called `ssh` before the real one while `use` runs. */
async function withSsh(directory: string, script: string, use: () => Promise<void>): Promise<void> {
  const path = process.env.PATH;
  await writeFile(join(directory, "ssh"), `#!/bin/sh\n${script}\n`);
  await chmod(join(directory, "ssh"), 0o755);
  process.env.PATH = `${directory}:${path}`;
  try {
    await use();
  } finally {
    process.env.PATH = path;
  }
}

const lsRemote = (repository: string, deadlineMs: number) =>
  runGit({ repository, args: ["ls-remote", "--", "ssh://git@example.invalid/releases.git"], deadlineMs });

test("git over ssh uses no shared connection, whatever ~/.ssh/config says", () =>
  withTemporaryDirectory((directory) =>
    withSsh(directory, `echo "$@" >'${directory}/asked'; exit 1`, async () => {
      await lsRemote(directory, 150_000);
      const asked = await readFile(join(directory, "asked"), "utf8");
      assert.match(asked, /-oControlMaster=no/);
      assert.match(asked, /-oControlPath=none/);
    }),
  ));

test("a process in a session of its own that outlives git and holds its pipes holds nobody up (T6)", () =>
  withTemporaryDirectory((directory) =>
    withSsh(directory, `setsid sleep 200 >/dev/null & echo $! >'${directory}/pid'; exit 1`, async () => {
      const started = performance.now();
      assert.equal((await lsRemote(directory, 150_000)).exitCode, 128);
      assert.ok(performance.now() - started < 100_000, "half of what the sleeper takes");
      await endSleeper(directory);
    }),
  ));

test("after the deadline nobody is waited for, also not for a process in a session of its own that holds git's pipes (T6)", () =>
  withTemporaryDirectory((directory) =>
    withSsh(directory, `setsid sleep 200 & echo $! >'${directory}/pid'; exec sleep 200`, async () => {
      const started = performance.now();
      await assert.rejects(lsRemote(directory, 3_000), { code: "git-timeout", disposition: "retry" });
      assert.ok(performance.now() - started < 100_000, "half of what the sleeper takes");
      await endSleeper(directory);
    }),
  ));

test("a mirror with many packs is packed anew and keeps everything; refs that a killed process left are dropped", () =>
  withReleaseRepo(async (repo) => {
    const mirror = repo.newMirror();
    const repository = gitRepository({ url: repo.remote, mirror, ref: "main" });
    for (const text of ["a", "b", "c", "d"]) {
      await repo.commit({ "releases/a.yaml": text });
      await repository.fetch();
    }
    const replaced = (await repository.fetch()).commit;
    await repo.git("reset", "--quiet", "--hard", "HEAD~1");
    await repo.git("push", "--quiet", "--force", "origin", "HEAD:main");
    const { commit } = await repository.fetch();
    const [left, young] = ["0", "1"].map((digit) => `refs/cutover/lease-work-${digit.repeat(36)}`);
    assert.ok(left && young);
    for (const ref of [left, young]) await runGit({ repository: mirror, args: ["update-ref", ref, commit] });
    await utimes(join(mirror, left), 1, 1);

    assert.deepEqual(await tidyMirror({ mirror, maxPacks: 50 }), { droppedRefs: 1, repacked: false });
    assert.deepEqual(await readdir(join(mirror, "refs", "cutover")), [young.split("/")[2]]);
    assert.deepEqual(await tidyMirror({ mirror, maxPacks: 2 }), { droppedRefs: 0, repacked: true });
    const packs = (await readdir(join(mirror, "objects", "pack"))).filter((name) => name.endsWith(".pack"));
    assert.ok(packs.length <= 2, packs.join());
    assert.equal((await repository.files(commit, "releases"))[0]?.text, "c");
    assert.equal((await repository.files(replaced, "releases"))[0]?.text, "d", "also what no branch names any more");
    assert.deepEqual(await tidyMirror({ mirror: `${mirror}-none` }), { droppedRefs: 0, repacked: false });
  }));

async function endSleeper(directory: string): Promise<void> {
  const pid = Number(await readFile(join(directory, "pid"), "utf8"));
  process.kill(pid, "SIGKILL");
  await until("the sleeper to be gone", 20_000, async () => {
    const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => " Z ");
    return / Z /.test(state);
  });
}
