// The workflows as they stand in deploy/ci, their own shell text, against a clone, a GitLab, and a GitHub that is held to its
// published description: one comment, one status, and the token nowhere (R4, P15).
import assert from "node:assert/strict";
import { chmod, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse, stringify } from "yaml";
import { initRelease } from "../../src/app/init.ts";
import { publish } from "../../src/app/publish.ts";
import { mustRun, runProgram } from "../../src/lab/run-program.ts";
import { Component } from "../../src/model/component.ts";
import { artifactWriter, keyMaker, signer } from "../../src/wiring.ts";
import { withForge } from "../support/fake-forge.ts";
import { fakeGitlab } from "../support/fake-gitlab.ts";
import { type FakeGithub, withGithub } from "../support/openapi-github.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const templates = join(import.meta.dirname, "../../deploy/ci");
const token = "ghs_canary-0123456789";

const fleet = {
  apiVersion: "cutover/v1",
  kind: "Fleet",
  hosts: [{ name: "web1", address: "127.0.0.1", hostKeys: [`ssh-ed25519 ${"A".repeat(68)}`], components: ["shop"] }],
};

interface Run {
  readonly script: string;
  readonly env: (commits: { readonly base: string; readonly head: string }) => Readonly<Record<string, string>>;
  readonly head: string;
}
interface Job {
  readonly directory: string;
  /** A commit on the pull request's branch. */
  push(version: string): Promise<string>;
  /** A template's own shell text, as a runner runs it. */
  run(input: Run): ReturnType<typeof runProgram>;
}

function withJob(body: (job: Job) => Promise<void>): Promise<void> {
  return withTemporaryDirectory(async (directory) => {
    const home = join(directory, "home");
    await initRelease(home, { keyMaker });
    const work = join(home, "work");
    const git = async (...args: string[]) => (await mustRun(["git", "-C", work, ...args])).trim();
    const component = Component.parse({ apiVersion: "cutover/v1", kind: "Component", name: "shop", root: "/srv/shop" });
    for (const version of ["1.0.0", "1.1.0", "1.2.0"]) {
      const tree = join(directory, "trees", version);
      await mkdir(tree, { recursive: true });
      await writeFile(join(tree, "run"), version, { mode: 0o755 });
      const store = artifactWriter(join(home, "artifacts"));
      await publish({ directory: tree, component, version, releaseKeys: [join(home, "keys", "release")], store, signer, now: Date.now(), zstdLevel: 1 }); // biome-ignore format: one line
    }
    const commit = async (version: string, branch: string) => {
      const release = {
        apiVersion: "cutover/v1",
        kind: "Release",
        name: "shop",
        components: [{ name: "shop", version }],
      };
      await writeFile(join(work, "releases", "release.yaml"), stringify(release));
      await git("add", "--all");
      await git("commit", "--quiet", "-m", `shop ${version}`);
      await git("push", "--quiet", "--force", "origin", `HEAD:${branch}`);
      return git("rev-parse", "HEAD");
    };
    await writeFile(join(work, "releases", "fleet.yaml"), stringify(fleet));
    const base = await commit("1.0.0", "refs/heads/main");

    const clone = join(directory, "clone");
    await mustRun(["git", "clone", "--quiet", join(home, "releases.git"), clone]);
    await cp(join(home, "trust.yaml"), join(clone, "trust.yaml"));
    const settings = { repository: { url: "." }, artifacts: join(home, "artifacts"), state: ".cutover" };
    await writeFile(join(clone, "cutover.ci.yaml"), stringify(settings));
    const bin = join(clone, "tools/node_modules/.bin");
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, "cutover"), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
    await chmod(join(bin, "cutover"), 0o755);

    await body({
      directory,
      push: (version) => commit(version, "refs/pull/3/head"),
      async run({ script, env, head }) {
        // The runner of a forge brings the change's objects along.
        await mustRun(["git", "-C", clone, "fetch", "--quiet", "origin", "refs/pull/3/head"]);
        const command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script];
        return runProgram(command, { cwd: clone, env: { ...process.env, ...env({ base, head }) } });
      },
    });
  });
}

/** The step of the workflow that plans; its summary is what a reader of the job sees. */
async function onGithub({ run, directory }: Job, { api }: FakeGithub, head: string) {
  const { jobs } = parse(await readFile(join(templates, "github-actions/cutover-plan.yml"), "utf8")) as {
    jobs: { plan: { steps: { name?: string; run?: string }[] } };
  };
  const script = jobs.plan.steps.find(({ name }) => name === "Plan, comment, status")?.run ?? "exit 99";
  const summary = join(directory, "summary.md");
  await writeFile(summary, "");
  const env: Run["env"] = ({ base }) => ({
    GITHUB_ACTIONS: "true",
    GITHUB_API_URL: api,
    GITHUB_REPOSITORY: "shop/releases",
    GITHUB_TOKEN: token,
    GITHUB_STEP_SUMMARY: summary,
    BASE: base,
    HEAD: head,
    PULL: "3",
  });
  const result = await run({ script, env, head });
  return { ...result, summary: await readFile(summary, "utf8") };
}

/** The whole script of the GitLab job but for the installation. */
async function onGitlab({ run }: Job, api: string, head: string) {
  const { "cutover-plan": job } = parse(await readFile(join(templates, "gitlab-ci.yml"), "utf8")) as {
    "cutover-plan": { script: string[] };
  };
  const script = job.script.filter((line) => !line.startsWith("npm ci ")).join("\n");
  const env = () => ({
    GITLAB_CI: "true",
    CI_API_V4_URL: api,
    CI_PROJECT_ID: "group/releases",
    CI_MERGE_REQUEST_IID: "3",
    CI_MERGE_REQUEST_TARGET_BRANCH_NAME: "main",
    CI_COMMIT_SHA: head,
    CI_JOB_TOKEN: "may-not-write",
    GITLAB_TOKEN: token,
  });
  return run({ script, env, head });
}

test("the workflow's own steps post one comment and a status, bring both up to date on the next push, and show the token nowhere", () =>
  withGithub({ token, workflow: true }, (github) =>
    withJob(async (job) => {
      const first = await job.push("1.1.0");
      const one = await onGithub(job, github, first);
      assert.equal(one.exitCode, 0, one.stderr);
      assert.equal(github.comments.length, 1);
      const [comment] = github.comments;
      assert.equal(comment?.body.trim(), one.summary.trim());
      assert.match(
        comment?.body ?? "",
        /^<!-- cutover-plan -->\n## Plan: 1 host changes\n[\s\S]*`shop` new → `1\.1\.0`/,
      );

      const second = await job.push("1.2.0");
      const two = await onGithub(job, github, second);
      assert.equal(two.exitCode, 0, two.stderr);
      assert.match(two.stderr, /^posted: updated https:\/\/github\.com\/shop\/releases\/pull\/1#issuecomment-/m);
      assert.equal(github.comments.length, 1);
      assert.match(github.comments[0]?.body ?? "", /`shop` new → `1\.2\.0`/);
      assert.deepEqual(
        github.statuses
          .map((status) => status as { sha: string; state: string; context: string })
          .map(({ sha, state, context }) => [sha, state, context]),
        // No controller has written a note yet: unknown is not green (P7).
        [
          [first, "pending", "cutover/plan"],
          [second, "pending", "cutover/plan"],
        ],
      );
      const said = JSON.stringify([
        one,
        two,
        github.comments,
        github.statuses,
        github.requests.map(({ body }) => body),
      ]);
      assert.doesNotMatch(said, /canary/);
      assert.deepEqual(github.violations, []);
    }),
  ));

test("a release that cannot be planned fails the job after saying so in comment and status; a refused token says what to do", () =>
  withGithub({ token, workflow: true }, (github) =>
    withJob(async (job) => {
      const broken = await onGithub(job, github, await job.push("9.9.9"));
      assert.equal(broken.exitCode, 1);
      assert.match(github.comments[0]?.body ?? "", /Cannot be planned[\s\S]*`not-published`/);
      assert.equal((github.statuses[0] as { state: string }).state, "failure");
      github.trouble = () => ({ status: 401, message: `Bad credentials ${token}` });
      const refused = await onGithub(job, github, await job.push("1.1.0"));
      assert.equal(refused.exitCode, 1);
      assert.match(refused.stderr, /does not accept the token[\s\S]*GITHUB_TOKEN/);
      assert.doesNotMatch(refused.stdout + refused.stderr + refused.summary, /canary/);
    }),
  ));

test("GitLab's job keeps one note and one status on the merge request, with the token that may write", () => {
  const { notes, statuses, reply } = fakeGitlab(token);
  return withForge(reply, ({ api }) =>
    withJob(async (job) => {
      const heads = [await job.push("1.1.0"), await job.push("1.2.0")];
      for (const head of heads) {
        const result = await onGitlab(job, `${api}4`, head);
        assert.equal(result.exitCode, 0, result.stderr);
        assert.match(result.stdout, /^<!-- cutover-plan -->\n## Plan: /);
        assert.doesNotMatch(result.stdout + result.stderr, /canary/);
      }
      assert.equal(notes.length, 1);
      assert.match(notes[0]?.body ?? "", /`shop` new → `1\.2\.0`/);
      assert.deepEqual(
        statuses.map(({ sha, name, status }) => [sha, name, status]),
        heads.map((head) => [head, "cutover/plan", "pending"]),
      );
    }),
  );
});
