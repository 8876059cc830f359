// What systemd on a real host says of the order of units reaches the plan, and the run keeps to it (R28).
import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import type { Home } from "../support/with-home.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";
import { withSystemdWorld } from "../support/with-systemd-world.ts";

const contractOf = (name: string) => ({
  apiVersion: "cutover/v1",
  kind: "Component",
  name,
  root: `/srv/cutover/${name}`,
  manager: "systemd",
  units: [`${name}.service`],
  switch: { strategy: "restart", readyWithinSeconds: 20 },
  deadlineSeconds: 60,
});
const contracts = [contractOf("api"), contractOf("database")];
const unitOf = (name: string, more = "") =>
  `[Unit]\nStartLimitIntervalSec=0\n${more}[Service]\nType=exec\nExecStart=/srv/cutover/${name}/current/serve\n`;
/** By name alone api would come first. */
const units = {
  "api.service": unitOf("api", "Wants=database.service\n"),
  "database.service": unitOf("database", "Before=api.service\n"),
};

test(
  "R28: components move in the order of the host's units, which the release does not know; where it says otherwise, the plan shows both",
  { skip: systemdSkip, timeout: 1_200_000 },
  () =>
    withSystemdLab(1, (lab) =>
      withSystemdWorld(lab, { contracts, units }, async (world) => {
        const host = lab.hosts[0]?.name ?? "";
        assert.deepEqual(await bring(world, "1"), [`${host}/api`, `${host}/database`], "nothing is known yet");
        assert.deepEqual(await bring(world, "2"), [`${host}/database`, `${host}/api`]);

        await publish(world, "3");
        await release(world, "3", { database: ["api"] });
        const result = await world.reconcile();
        assertOutcomes(result, "done");
        assert.deepEqual(result.results[0]?.plan?.unitOrder, [
          {
            kind: "contradicts",
            component: "api",
            after: "database",
            directives: ["api.service After=database.service", "api.service Wants=database.service"],
            hosts: [host],
          },
        ]);
      }),
    ),
);

/** Which switches ran, in their order. */
async function bring(world: Home, version: string): Promise<string[]> {
  await publish(world, version);
  await release(world, version, {});
  const switched: string[] = [];
  const onEvent = (event: JournalEvent) => {
    if (event.kind === "task" && event.event.state === "done" && event.event.task.endsWith("/switch"))
      switched.push(event.event.task.replace("/switch", ""));
  };
  assertOutcomes(await world.reconcile({ onEvent }), "done");
  return switched;
}

async function publish(world: Home, version: string): Promise<void> {
  for (const contract of contracts) {
    const tree = join(world.directory, "trees", contract.name, version);
    await mkdir(tree, { recursive: true });
    await writeFile(join(tree, "serve"), "#!/bin/sh\nexec sleep 86400\n");
    await writeFile(join(tree, "version"), version);
    await chmod(join(tree, "serve"), 0o755);
    await world.publish(contract, version, tree);
  }
}

async function release(
  world: Home,
  version: string,
  needs: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const components = contracts.map(({ name }) => ({ name, version, depends_on: needs[name] ?? [] }));
  await world.push({ "release.yaml": { apiVersion: "cutover/v1", kind: "Release", name: "shop", components } });
}
