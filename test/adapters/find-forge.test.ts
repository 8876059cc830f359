// Which forge, which repository, which pull request and which token, from what CI jobs are told and from the remote's address.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findForge, pullOf } from "../../src/adapters/forges/find-forge.ts";

const inGithub = {
  GITHUB_ACTIONS: "true",
  GITHUB_API_URL: "https://api.github.com",
  GITHUB_REPOSITORY: "shop/releases",
  GITHUB_TOKEN: "t1",
  GITHUB_REF: "refs/pull/12/merge",
};
const inGitlab = {
  GITLAB_CI: "true",
  CI_API_V4_URL: "https://gitlab.example/api/v4",
  CI_PROJECT_ID: "42",
  CI_JOB_TOKEN: "t2",
  CI_MERGE_REQUEST_IID: "7",
};
const inGitea = { ...inGithub, GITEA_ACTIONS: "true", GITHUB_API_URL: "https://gitea.example/api/v1" };

test("each CI job names its own forge, also Gitea's, which looks like GitHub's; its pull request is known", () => {
  assert.deepEqual(findForge({ env: inGithub }), {
    kind: "github",
    api: "https://api.github.com",
    repository: "shop/releases",
    token: "t1",
    jobToken: false,
  });
  assert.deepEqual(findForge({ env: inGitlab }), {
    kind: "gitlab",
    api: "https://gitlab.example/api/v4",
    repository: "42",
    token: "t2",
    jobToken: true,
  });
  assert.equal(findForge({ env: inGitea })?.kind, "gitea");
  assert.deepEqual(
    [
      pullOf(inGithub),
      pullOf(inGitlab),
      pullOf({ GITHUB_REF: "refs/heads/main" }),
      pullOf({ CI_MERGE_REQUEST_IID: "7; id" }),
    ],
    [12, 7, undefined, undefined],
  );
  assert.deepEqual({ ...findForge({ env: { ...inGitlab, GITLAB_TOKEN: "better" } }) }.token, "better");
});

test("outside a job nothing is guessed: a named forge takes its repository from the remote's address", () => {
  assert.equal(findForge({ env: {}, remote: "git@github.com:shop/releases.git" }), undefined);
  const at = (kind: "github" | "gitlab" | "gitea", remote: string) => {
    const found = findForge({ kind, env: { GITHUB_TOKEN: "t", GITLAB_TOKEN: "t", GITEA_TOKEN: "t" }, remote });
    return `${found?.api} ${found?.repository}`;
  };
  assert.equal(at("github", "git@github.com:shop/releases.git"), "https://api.github.com shop/releases");
  assert.equal(at("github", "https://ghe.example/shop/releases"), "https://ghe.example/api/v3 shop/releases");
  assert.equal(at("gitlab", "ssh://git@gitlab.example:2222/a/b/c.git"), "https://gitlab.example/api/v4 a/b/c");
  assert.equal(
    at("gitea", "https://gitea.example:3000/shop/releases.git"),
    "https://gitea.example:3000/api/v1 shop/releases",
  );
  for (const remote of ["/srv/releases.git", "file:///srv/r.git", ""])
    assert.throws(() => findForge({ kind: "github", env: { GITHUB_TOKEN: "t" }, remote }), { code: "lacking" });
});

test("without a token the variable to set is named", () => {
  const { GITHUB_TOKEN: _, ...without } = inGithub;
  assert.throws(() => findForge({ env: without }), { code: "lacking", remedy: "export GITHUB_TOKEN=…" });
});
