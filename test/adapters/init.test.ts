// `cutover init`: what it writes works as it stands, with the real git and ssh-keygen.
import assert from "node:assert/strict";
import { access, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gitRepository } from "../../src/adapters/git-repository.ts";
import { sshKeygenKeyMaker } from "../../src/adapters/ssh-keygen.ts";
import { initRelease } from "../../src/app/init.ts";
import { exampleText } from "../../src/app/init-texts.ts";
import { checkSchemas } from "../../src/app/schemas.ts";
import { validateDirectory } from "../../src/app/validate.ts";
import { loadConfig, loadTrust } from "../../src/config.ts";
import { loadDesired } from "../../src/desired/load-desired.ts";
import { parseDocuments } from "../../src/desired/parse-documents.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "cutover-init-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("the configuration, the Trust, the keys and the first signed commit fit together", () =>
  withFolder(async (folder) => {
    const { config: file, commit, work } = await initRelease(join(folder, "home"), { keyMaker: sshKeygenKeyMaker() });
    const config = await loadConfig(file);
    const trust = await loadTrust(config.trust);
    const repository = gitRepository({ ...config.repository, mirror: config.state.mirror });
    assert.equal((await repository.fetch()).commit, commit);
    assert.deepEqual(await repository.verifySignature(commit, trust.commitSigners), { signer: "operator" });
    await assert.rejects(loadDesired(repository, { commit, directory: "releases", trust }), {
      code: "nothing-released",
      disposition: "wait",
    });
    const { diagnostics } = await validateDirectory(join(work, "releases"));
    assert.deepEqual(
      diagnostics.filter(({ severity }) => severity === "error"),
      [],
    );
    assert.deepEqual(await checkSchemas(join(work, "schemas")), []);
    for (const name of ["ssh", "envelope"] as const) assert.equal((await stat(config.keys[name])).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(join(folder, "home"))).sort(), [
      ".gitignore",
      "artifacts",
      "cutover.yaml",
      "keys",
      "releases.git",
      "state",
      "trust.yaml",
      "work",
    ]);
  }));

test("the commented example is valid once its marks are taken away", () => {
  const text = exampleText().replace(/^# ?/gm, "");
  const documents = text.slice(text.indexOf("\n\n"));
  const { documents: parsed, diagnostics } = parseDocuments([{ path: "example.yaml", text: documents }]);
  assert.deepEqual(diagnostics, []);
  assert.deepEqual(
    parsed.map(({ document }) => document.kind),
    ["Component", "Release"],
  );
});

test("a directory with anything in it is refused and left alone", () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, "mine"), "mine");
    await assert.rejects(initRelease(folder, { keyMaker: sshKeygenKeyMaker() }), { code: "usage", exitCode: 64 });
    assert.equal(await readFile(join(folder, "mine"), "utf8"), "mine");
    assert.deepEqual(await readdir(folder), ["mine"]);
  }));

test("when a step fails, nothing is left behind", () =>
  withFolder(async (folder) => {
    const keyMaker = sshKeygenKeyMaker();
    const failing = { ...keyMaker, generate: async () => Promise.reject(new Error("no entropy")) };
    await assert.rejects(initRelease(join(folder, "home"), { keyMaker: failing }), /no entropy/);
    assert.deepEqual(await readdir(join(folder, "home")), []);
  }));

test("schemas/ in this repository is what the code says", async () => {
  const directory = join(import.meta.dirname, "../../schemas");
  await access(directory);
  assert.deepEqual(await checkSchemas(directory), []);
});
