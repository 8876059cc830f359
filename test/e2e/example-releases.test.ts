// releases/ is what newcomers copy and what the demo runs: it must be right as it stands.
import assert from "node:assert/strict";
import { access, constants, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readComponent } from "../../src/app/read-component.ts";
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
  assert.equal(files.length, 7);
  for (const file of files) {
    const path = join(directory, file);
    const modeline = /^# yaml-language-server: \$schema=(\S+)\n/.exec(await readFile(path, "utf8"))?.[1];
    assert.ok(modeline !== undefined, `${file} starts with a modeline`);
    await access(join(dirname(path), modeline));
  }
});

test("the example of versions that get along is valid, and says all that a release and a contract can say of that", async () => {
  const getAlong = fileURLToPath(new URL("../../deploy/releases/get-along/", import.meta.url));
  const { diagnostics, desired, components, files } = await validateDirectory(getAlong);
  assert.deepEqual(diagnostics, []);
  const api = desired?.releases[0]?.components.find(({ name }) => name === "api");
  assert.deepEqual(
    [api?.dependsOn, api?.consumes, api?.skew?.map(({ of }) => of), api?.targets.map(({ host }) => host)],
    [["database"], ["events"], ["database"], ["web1", "web2"]],
  );
  const database = components.find(({ name }) => name === "database");
  assert.deepEqual(database?.upgrade, { from: ">=2.3 <2.4", via: ["2.3.1"] });
  assert.deepEqual(Object.keys(database?.migrations ?? {}), ["orders-v2"]);
  for (const file of files) {
    const path = join(getAlong, file);
    const modeline = /^# yaml-language-server: \$schema=(\S+)\n/.exec(await readFile(path, "utf8"))?.[1];
    await access(join(dirname(path), modeline ?? "no modeline"));
  }
});

test("every component to copy from is valid, brings the executables of its tasks, and the units that it names", async () => {
  const components = fileURLToPath(new URL("../../deploy/components/", import.meta.url));
  const found: string[] = [];
  for (const name of await readdir(components)) {
    const path = join(components, name, "component.yaml");
    if (!(await access(path).then(() => true, () => false))) continue; // biome-ignore format: one line
    const { component, bundleDirectory } = await readComponent(path);
    found.push(component.name);
    for (const task of component.tasks) {
      for (const file of [task.do, task.undo ?? task.do])
        await access(join(bundleDirectory ?? "", file), constants.X_OK);
    }
    const units = [...component.units, ...component.switch.sockets].sort();
    assert.deepEqual((await readdir(join(components, name, "units"))).sort(), units);
  }
  assert.deepEqual(found.sort(), [
    "api",
    "cache",
    "database",
    "gateway",
    "gunicorn",
    "haproxy",
    "haproxy-pool",
    "nginx",
    "nginx-pool",
    "orders",
    "pgbouncer",
    "postgresql",
    "workerd",
  ]);
});

function onAllHosts(version: string): { host: string; version: string }[] {
  return ["web1", "web2", "web3", "web4"].map((host) => ({ host, version }));
}
