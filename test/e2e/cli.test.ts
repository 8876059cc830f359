// The command line as a process: what it prints, where, and how it exits. No network, no host.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

interface Ran {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function cutover(args: readonly string[], cwd: string): Promise<Ran> {
  const env = { PATH: process.env.PATH, HOME: cwd };
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 1_200_000,
  });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (part: string) => {
      texts[name] += part;
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode) => resolve({ exitCode, ...texts }));
  });
}

test("cutover alone teaches the first steps", () =>
  withTemporaryDirectory(async (directory) => {
    const { exitCode, stdout, stderr } = await cutover([], directory);
    assert.equal(exitCode, 0);
    assert.equal(stderr, "");
    assert.match(stdout, /First steps\n {2}cutover init /);
    assert.match(stdout, /cutover lab demo/);
  }));

test("an unknown command or option exits 64 and names the nearest", () =>
  withTemporaryDirectory(async (directory) => {
    const command = await cutover(["validat"], directory);
    assert.deepEqual(command, {
      exitCode: 64,
      stdout: "",
      stderr: "error: unknown command 'validat'; the nearest is validate\nnext: cutover help\n",
    });
    const option = await cutover(["plan", "--jsn"], directory);
    assert.equal(option.exitCode, 64);
    assert.match(option.stderr, /unknown option '--jsn'; the nearest is --json\nnext: cutover help plan/);
    const missing = await cutover(["hold", "web1"], directory);
    assert.equal(missing.exitCode, 64);
    assert.match(missing.stderr, /--reason/);
  }));

test("a settings file that is missing exits 69, one with a mistake exits 64 with its line; both say what to type next", () =>
  withTemporaryDirectory(async (directory) => {
    const missing = await cutover(["plan"], directory);
    assert.equal(missing.exitCode, 69);
    assert.match(missing.stderr, /^error: Cannot read .*cutover\.yaml.*\nnext: cutover init DIR\n$/);
    await writeFile(join(directory, "bad.yaml"), "repository:\n  ulr: x\n");
    const bad = await cutover(["status", "-c", "bad.yaml"], directory);
    assert.equal(bad.exitCode, 64);
    assert.match(bad.stderr, /^ {2}\| .*bad\.yaml:2:3 repository/m);
    assert.match(bad.stderr, /^next: /m);
  }));

test("validate prints every mistake as file:line:col and exits 64; with --json the same as data", () =>
  withTemporaryDirectory(async (directory) => {
    await mkdir(join(directory, "releases"));
    await writeFile(
      join(directory, "releases", "release.yaml"),
      "components:\n  - name: shop\n    version: 1.10\n  - name: Bad\n    version: '2'\n",
    );
    const text = await cutover(["validate", "releases"], directory);
    assert.equal(text.exitCode, 64);
    assert.match(text.stdout, /^error releases\/release\.yaml:3:14 components\[0\]\.version: .*quote/m);
    assert.match(text.stdout, /^error releases\/release\.yaml:4:11 components\[1\]\.name: /m);
    assert.match(text.stdout, /^not valid: 2 errors in 1 file$/m);
    const { exitCode, stdout } = await cutover(["validate", "releases", "--json"], directory);
    assert.equal(exitCode, 64);
    const { valid, diagnostics } = JSON.parse(stdout) as {
      valid: boolean;
      diagnostics: { line: number; column: number }[];
    };
    assert.equal(valid, false);
    assert.deepEqual(
      diagnostics.map(({ line, column }) => [line, column]),
      [
        [3, 14],
        [4, 11],
      ],
    );
  }));

test("errors are JSON too where --json is asked for, and nothing else is on standard output", () =>
  withTemporaryDirectory(async (directory) => {
    for (const args of [
      ["plan", "--json"],
      ["--json", "publsh"],
    ]) {
      const { exitCode, stdout, stderr } = await cutover(args, directory);
      const { error } = JSON.parse(stdout) as { error: { code: string; message: string; exitCode: number } };
      assert.equal(error.exitCode, exitCode, args.join(" "));
      assert.ok(error.code !== "" && error.message !== "");
      assert.equal(stderr, "");
    }
  }));

test("what init makes can be asked at once: status, hold and resume work, and plan says what is missing", () =>
  withTemporaryDirectory(async (directory) => {
    const init = await cutover(["init", "home", "--json"], directory);
    assert.equal(init.exitCode, 0, init.stderr);
    const home = (JSON.parse(init.stdout) as { directory: string }).directory;
    const fresh = await cutover(["status"], home);
    assert.equal(fresh.exitCode, 2);
    assert.match(fresh.stdout, /nothing is known\nnext: cutover reconcile --once/);
    assert.equal((await cutover(["hold", "web1", "--reason", "disk", "--by", "anna"], home)).exitCode, 0);
    const status = await cutover(["status", "--json"], home);
    assert.deepEqual((JSON.parse(status.stdout) as { holds: unknown }).holds, [
      { host: "web1", reason: "disk (anna)" },
    ]);
    const wrong = await cutover(["resume", "web2", "--reason", "x"], home);
    assert.equal(wrong.exitCode, 64);
    assert.match(wrong.stderr, /web2 is not on hold; on hold: web1\nnext: cutover resume web1 --reason …/);
    const all = await cutover(["resume", "--all", "--reason", "x"], home);
    assert.match(all.stderr, /The whole fleet is not on hold; on hold: web1\nnext: cutover resume web1 --reason …/);
    const plan = await cutover(["plan"], home);
    assert.equal(plan.exitCode, 4);
    assert.match(plan.stderr, /has no Release under releases\/\n.*\nnext: /);
    const again = await cutover(["init", "home"], directory);
    assert.equal(again.exitCode, 64);
    assert.match(again.stderr, /is not empty/);
  }));

test("keys never overwrite a key, and a key's public half can be shown", () =>
  withTemporaryDirectory(async (directory) => {
    const made = await cutover(["keys", "new", "release", "--json"], directory);
    assert.equal(made.exitCode, 0, made.stderr);
    const [pair] = (JSON.parse(made.stdout) as { keys: { publicKey: string }[] }).keys;
    const shown = await cutover(["keys", "show", "keys/release"], directory);
    assert.equal(shown.stdout.trim(), pair?.publicKey);
    const again = await cutover(["keys", "new", "release"], directory);
    assert.notEqual(again.exitCode, 0);
    assert.notEqual(again.exitCode, 70);
    assert.match(again.stderr, /^error: /);
  }));

test("publish signs a directory once; the same again is unchanged, another content under the same version is refused", () =>
  withTemporaryDirectory(async (directory) => {
    await cutover(["keys", "new", "release"], directory);
    await mkdir(join(directory, "tree"));
    await writeFile(join(directory, "tree", "page.html"), "one\n");
    await writeFile(
      join(directory, "page.yaml"),
      "apiVersion: cutover/v1\nkind: Component\nname: page\nroot: /srv/page\n",
    );
    const args = ["publish", "tree", "--component", "page.yaml", "--version", "1.0.0", "--release-key", "keys/release"];
    const publish = () => cutover([...args, "--artifacts", "artifacts", "--now", "1795230000", "--json"], directory);
    const first = await publish();
    assert.equal(first.exitCode, 0, first.stdout + first.stderr);
    assert.equal((JSON.parse(first.stdout) as { outcome: string }).outcome, "published");
    assert.equal((JSON.parse((await publish()).stdout) as { outcome: string }).outcome, "unchanged");
    await writeFile(join(directory, "tree", "page.html"), "two\n");
    const other = await publish();
    assert.notEqual(other.exitCode, 0);
    assert.equal((JSON.parse(other.stdout) as { error: { code: string } }).error.code, "version-taken");
  }));

test("schemas --check exits 2 and names the file that is outdated", () =>
  withTemporaryDirectory(async (directory) => {
    assert.equal((await cutover(["schemas", "made"], directory)).exitCode, 0);
    const check = await cutover(["schemas", "made", "--check"], directory);
    assert.equal(check.exitCode, 0);
    await writeFile(join(directory, "made", "release.json"), "{}\n");
    const outdated = await cutover(["schemas", "made", "--check"], directory);
    assert.equal(outdated.exitCode, 2);
    assert.match(outdated.stderr, /\| release\.json\n.*next: cutover schemas made/s);
  }));
