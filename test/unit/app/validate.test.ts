// validate: a directory of documents, judged as a commit of them would be.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { validateDirectory } from "../../../src/app/validate.ts";
import { generationOf } from "../../../src/desired/resolve-desired.ts";
import { formatDiagnostic } from "../../../src/model/diagnostic.ts";

const fleet = `apiVersion: cutover/v1
kind: Fleet
hosts: [{name: web1, address: 127.0.0.1, hostKeys: ["ssh-ed25519 AAAA"], components: [shop]}]
`;

async function withDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "cutover-validate-"));
  try {
    await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

test("files of all levels are one release repository, with the generation that git would give it", () =>
  withDirectory(async (directory) => {
    await mkdir(join(directory, "nested"));
    await writeFile(join(directory, "fleet.yaml"), fleet);
    await writeFile(join(directory, "nested/shop.yml"), 'components: [{name: shop, version: "1"}]\n');
    await writeFile(join(directory, "notes.txt"), "not yaml: [");
    const { diagnostics, desired, files } = await validateDirectory(directory);
    assert.deepEqual(diagnostics, []);
    assert.deepEqual(files, ["fleet.yaml", "nested/shop.yml"]);
    assert.deepEqual(desired?.releases[0]?.components[0]?.targets, [{ host: "web1", version: "1" }]);
    const blobs = files.map((file) =>
      execFileSync("git", ["hash-object", join(directory, file)], { encoding: "utf8" }).trim(),
    );
    assert.equal(desired.generation, generationOf(blobs));
  }));

test("links are named and not followed, files over 256 KiB are not read (T16, T21)", () =>
  withDirectory(async (directory) => {
    await symlink("/etc/passwd", join(directory, "a.yaml"));
    await writeFile(join(directory, "b.yaml"), "#".repeat(256 * 1024 + 1));
    const { diagnostics, desired, files } = await validateDirectory(directory);
    assert.equal(desired, undefined);
    assert.deepEqual(files, []);
    assert.deepEqual(diagnostics.map(formatDiagnostic).sort(), [
      "a.yaml:1:1: a symbolic link; only regular files are read",
      "b.yaml:1:1: the file is too large, expected at most 256 KiB",
    ]);
  }));

test("a path that is no directory is a mistake of the caller", async () => {
  await assert.rejects(validateDirectory("/nowhere/at/all"), { code: "usage", exitCode: 64 });
});
