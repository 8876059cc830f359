// The main job on whole hosts: a real third-party server under socket activation, forward and back under load. Only in the full run: at every
// push fleet.test.ts does the same with two other servers on four hosts, and the row workerd-socket with this one on one host.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseShopPage } from "../../src/lab/demo/shop-page.ts";
import { spawnLoad } from "../../src/lab/demo/spawn-load.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { buildWorkerd, workerdVersions } from "../support/fetch-workerd.ts";
import { isFull } from "../support/full-form.ts";
import type { Home } from "../support/with-home.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";
import { say, withSystemdWorld } from "../support/with-systemd-world.ts";
import { documentOf, unitsIn } from "./handover/document-of.ts";

const port = 8080;
const root = "/srv/cutover/workerd";
const ratePerSecond = 150;

const component = fileURLToPath(new URL("../../deploy/components/workerd/", import.meta.url));
const contract = await documentOf(`${component}component.yaml`);
const units = await unitsIn(`${component}units`);

if (isFull)
  test(
    "a real server under socket activation goes forward and back on three hosts under load, and no request fails (R1, R9, P11)",
    { skip: systemdSkip, timeout: 1_200_000 },
    (context) =>
      withSystemdLab(3, (lab) =>
        withSystemdWorld(lab, { contracts: [contract], units, policy: { batchSize: 2 } }, async (world) => {
          const [older, newer] = workerdVersions;
          await publishWorkerd(world);
          await release(world, older);
          const listeners = await Promise.all(lab.hosts.map(listenerOf));
          const load = spawnLoad({
            targets: lab.hosts.map(({ name, address }) => ({ name, address, port })),
            ratePerSecond,
            keepAliveShare: 0,
            timeoutMs: 10_000,
            maxSeconds: 900,
            onSecond: () => {},
          });
          try {
            await release(world, newer);
            await release(world, older);
          } finally {
            await load.stop();
          }
          const { sent, failed, failures, hosts } = await load.stop();
          context.diagnostic(`${sent} requests, ${failed} failed`);
          assert.deepEqual([failed, failures], [0, []]);
          assert.ok(sent > 2 * ratePerSecond, `only ${sent} requests were sent`);
          for (const { name } of lab.hosts)
            assert.deepEqual(Object.keys(hosts[name]?.versions ?? {}).sort(), [older, newer], name);
          assert.deepEqual(await Promise.all(lab.hosts.map(listenerOf)), listeners);
        }),
      ),
  );

/** The load generator takes an answer for good only when it is one whole page in the form of the demo's shop. */
async function publishWorkerd(world: Home): Promise<void> {
  for (const version of workerdVersions) {
    const identity = `shop ${version} node workerd pid 0 worker 0`;
    const sum = createHash("sha256").update(identity).digest("hex").slice(0, 8);
    const answer = `${identity} sum ${sum}\n`;
    assert.equal(parseShopPage(answer)?.version, version);
    const headers = { "shop-version": version };
    await world.publish(
      contract,
      version,
      await buildWorkerd({ directory: world.directory, version, answer, headers }),
    );
  }
}

/** Done means that the very binary of that version runs on every host. */
async function release(world: Home, version: string): Promise<void> {
  await world.pushVersion("workerd", version);
  assertOutcomes(await world.reconcile(), "done");
  for (const host of world.lab.hosts)
    assert.equal(await runningBinary(host), `${root}/versions/${version}/bin/workerd`, host.name);
}

async function runningBinary(host: LabHost): Promise<string> {
  const pid = await say(host, "systemctl", "show", "-p", "MainPID", "--value", "workerd.service");
  return say(host, "readlink", `/proc/${pid}/exe`);
}

/** The inode of the listening socket: the same one means that it was never closed. */
function listenerOf(host: LabHost): Promise<string> {
  return say(host, "sh", "-c", `ss -Hltne 'sport = :${port}' | grep -o 'ino:[0-9]*'`);
}
