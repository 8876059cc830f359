// releases/ is what newcomers copy and what the demo runs: it must be right as it stands.
import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { validateDirectory } from "../../src/app/validate.ts";
import { shopVersions } from "../../src/lab/demo/build-shop.ts";
import { nodeVersions } from "../../src/lab/demo/fetch-node-runtimes.ts";

const directory = fileURLToPath(new URL("../../releases/", import.meta.url));

test("the example release repository is valid, and asks four hosts for the demo's first versions", async () => {
  const { diagnostics, desired } = await validateDirectory(directory);
  assert.deepEqual(diagnostics, []);
  const [release] = desired?.releases ?? [];
  assert.deepEqual(
    release?.components.map(({ name, dependsOn, targets }) => ({ name, dependsOn, targets })),
    [
      { name: "node", dependsOn: [], targets: onAllHosts(nodeVersions[0]) },
      { name: "shop", dependsOn: ["node"], targets: onAllHosts(shopVersions[0].version) },
    ],
  );
  assert.equal(release?.policy.name, "default");
});

test("every example document tells editors which schema it follows, and that schema is there", async () => {
  const { files } = await validateDirectory(directory);
  assert.equal(files.length, 6);
  for (const file of files) {
    const path = join(directory, file);
    const modeline = /^# yaml-language-server: \$schema=(\S+)\n/.exec(await readFile(path, "utf8"))?.[1];
    assert.ok(modeline !== undefined, `${file} starts with a modeline`);
    await access(join(dirname(path), modeline));
  }
});

function onAllHosts(version: string): { host: string; version: string }[] {
  return ["web1", "web2", "web3", "web4"].map((host) => ({ host, version }));
}
