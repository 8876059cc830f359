// The pull request workflow as it stands in deploy/ci, its own shell text, against a clone and a GitHub that is held to its
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
import { type FakeGithub, withGithub } from "../support/openapi-github.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const workflow = join(import.meta.dirname, "../../deploy/ci/github-actions/cutover-plan.yml");
const token = "ghs_canary-0123456789";

const fleet = {
  apiVersion: "cutover/v1",
  kind: "Fleet",
  hosts: [{ name: "web1", address: "127.0.0.1", hostKeys: [`ssh-ed25519 ${"A".repeat(68)}`], components: ["shop"] }],
};

interface Job {
  /** A commit on the pull request's branch. */
  push(version: string): Promise<string>;
  /** The step that plans, as the runner runs it. */
  run(
    head: string,
  ): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string; readonly summary: string }>;
}

function withJob(github: FakeGithub, body: (job: Job) => Promise<void>): Promise<void> {
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

    const { jobs } = parse(await readFile(workflow, "utf8")) as {
      jobs: { plan: { steps: { name?: string; run?: string }[] } };
    };
    const script = jobs.plan.steps.find(({ name }) => name === "Plan, comment, status")?.run ?? "exit 99";
    await body({
      push: (version) => commit(version, "refs/pull/3/head"),
      async run(head) {
        const summary = join(directory, "summary.md");
        await writeFile(summary, "");
        const env = {
          ...process.env,
          GITHUB_ACTIONS: "true",
          GITHUB_API_URL: github.api,
          GITHUB_REPOSITORY: "shop/releases",
          GITHUB_TOKEN: token,
          GITHUB_STEP_SUMMARY: summary,
          BASE: base,
          HEAD: head,
          PULL: "3",
        };
        const result = await runProgram(["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script], {
          cwd: clone,
          env,
        });
        return { ...result, summary: await readFile(summary, "utf8") };
      },
    });
  });
}

test("the workflow's own steps post one comment and a status, bring both up to date on the next push, and show the token nowhere", () =>
  withGithub({ token, workflow: true }, (github) =>
    withJob(github, async ({ push, run }) => {
      const first = await push("1.1.0");
      const one = await run(first);
      assert.equal(one.exitCode, 0, one.stderr);
      assert.equal(github.comments.length, 1);
      const [comment] = github.comments;
      assert.equal(comment?.body.trim(), one.summary.trim());
      assert.match(
        comment?.body ?? "",
        /^<!-- cutover-plan -->\n## Plan: 1 host changes\n[\s\S]*`shop` new → `1\.1\.0`/,
      );

      const second = await push("1.2.0");
      const two = await run(second);
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
    withJob(github, async ({ push, run }) => {
      const broken = await run(await push("9.9.9"));
      assert.equal(broken.exitCode, 1);
      assert.match(github.comments[0]?.body ?? "", /Cannot be planned[\s\S]*`not-published`/);
      assert.equal((github.statuses[0] as { state: string }).state, "failure");
      github.trouble = () => ({ status: 401, message: `Bad credentials ${token}` });
      const refused = await run(await push("1.1.0"));
      assert.equal(refused.exitCode, 1);
      assert.match(refused.stderr, /does not accept the token[\s\S]*GITHUB_TOKEN/);
      assert.doesNotMatch(refused.stdout + refused.stderr + refused.summary, /canary/);
    }),
  ));
