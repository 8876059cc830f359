// cutover.yaml: defaults, paths from the file's own directory, mistakes with line and column.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig, webhookSecret } from "../../src/config.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

const parse = (text: string) => parseConfig(text, { file: "/srv/cutover/cutover.yaml", hostname: "ctl one.example" });
const evidence = (text: string): string => {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof Error && "evidence" in error && "exitCode" in error);
    assert.equal(error.exitCode, 64);
    return String(error.evidence);
  }
  return assert.fail("it was accepted");
};

test("only the repository has to be named; paths start from the file's directory", () => {
  assert.deepEqual(parse("repository: {url: releases.git}"), {
    file: "/srv/cutover/cutover.yaml",
    repository: { url: "/srv/cutover/releases.git", ref: "main", directory: "releases", pollSeconds: 30 },
    trust: "/srv/cutover/trust.yaml",
    artifacts: { kind: "directory", path: "/srv/cutover/artifacts" },
    keys: { ssh: "/srv/cutover/keys/controller", envelope: "/srv/cutover/keys/envelope" },
    state: {
      directory: "/srv/cutover/state",
      journal: "/srv/cutover/state/journal.sqlite",
      lock: "/srv/cutover/state/controller.lock",
      instance: "/srv/cutover/state/instance",
      mirror: "/srv/cutover/state/mirror.git",
      cache: "/srv/cutover/state/cache",
    },
    listen: { address: "127.0.0.1", port: 8474 },
    webhook: undefined,
    cron: undefined,
    holder: "ctl-one.example",
  });
});

test("addresses of other machines stay as they are", () => {
  const config = parse(
    'repository: {url: "git@git.example.org:a/b.git"}\nartifacts: https://files.example.org/a\nlisten: "[::1]:80"\n',
  );
  assert.equal(config.repository.url, "git@git.example.org:a/b.git");
  assert.deepEqual(config.artifacts, { kind: "url", url: "https://files.example.org/a" });
  assert.deepEqual(config.listen, { address: "::1", port: 80 });
});

test("every mistake is named with its place and the nearest spelling", () => {
  assert.equal(
    evidence('repositry: {url: x}\nrepository: {url: "ext::sh", ref: "--x"}\npollSeconds: 3\nlisten: 8474\n'),
    [
      "/srv/cutover/cutover.yaml:2:19 repository.url: this repository address is refused: remote helpers such as ext:: run programs",
      "/srv/cutover/cutover.yaml:2:35 repository.ref: this ref name is refused: it holds characters other than letters, digits and . _ / + -, or does not start with a letter or digit",
      '/srv/cutover/cutover.yaml:4:9 listen: 8474 without quotes is the number 8474, expected text; quote it: "8474"',
      '/srv/cutover/cutover.yaml:1:1 repositry: unknown key "repositry", did you mean repository?',
      '/srv/cutover/cutover.yaml:3:1 pollSeconds: unknown key "pollSeconds", expected one of repository, trust, artifacts, keys, state, listen, webhook, cron, holder',
    ].join("\n"),
  );
});

test("an empty file and two documents are refused", () => {
  assert.match(evidence(""), /found 0 documents, expected exactly one/);
  assert.match(evidence("repository: {url: x}\n---\nrepository: {url: x}\n"), /found 2 documents/);
});

test("a cron expression that names no time is a mistake with its place, not a crash when serve starts", () => {
  assert.equal(parse('repository: {url: x}\ncron: "*/10 * * * *"\n').cron, "*/10 * * * *");
  assert.equal(
    evidence('repository: {url: x}\ncron: "99 * * * *"\n'),
    '/srv/cutover/cutover.yaml:2:7 cron: 99 * * * * is no time, expected a cron expression such as "*/10 * * * *"',
  );
});

test("a webhook without its secret is named before anything starts", () =>
  withTemporaryDirectory(async (directory) => {
    const file = join(directory, "cutover.yaml");
    const config = (text: string) => parseConfig(text, { file, hostname: "ctl" });
    const withSecret = config("repository: {url: x}\nwebhook: {secretFile: secret}\n");
    const lacking = { code: "lacking", exitCode: 69, remedy: /openssl rand -hex 32/ };
    assert.equal(await webhookSecret(config("repository: {url: x}\n")), undefined);
    await assert.rejects(webhookSecret(withSecret), { ...lacking, message: /Cannot read .*secret \(ENOENT\)/ });
    await writeFile(join(directory, "secret"), "\n");
    await assert.rejects(webhookSecret(withSecret), { ...lacking, message: /is empty/ });
    await writeFile(join(directory, "secret"), "open sesame\n");
    assert.equal(await webhookSecret(withSecret), "open sesame");
  }));
