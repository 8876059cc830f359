// R18, P8 on a whole Debian host: a crash in the middle of a drain leaves nobody out of service, and a service that systemd has to kill
// is told in the evidence of the switch.
import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { LabHost } from "../../src/lab/lab.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { afterWrite, controllerGone } from "../support/after-write.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { cutoverCommand } from "../support/cutover-command.ts";
import { until } from "../support/until.ts";
import type { Home } from "../support/with-home.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";
import { say, withSystemdWorld } from "../support/with-systemd-world.ts";

const root = "/srv/cutover/app";
const notReady = `${root}/not-ready`;
const inflight = "/var/lib/app-in-flight";
const contract = {
  apiVersion: "cutover/v1",
  kind: "Component",
  name: "app",
  root,
  manager: "systemd",
  units: ["app.service"],
  switch: { strategy: "restart", readyWithinSeconds: 20 },
  drain: { notReadyFile: notReady, inflight: { file: inflight }, until: "idle", withinSeconds: 600 },
  deadlineSeconds: 60,
};
const units = {
  "app.service": `[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=${root}/current/serve
TimeoutStopSec=2
[Install]
WantedBy=multi-user.target
`,
};

test(
  "P8, R18: a host that crashes while it drains is in service again after it; a service that does not end is killed by systemd, and counted",
  { skip: systemdSkip, timeout: 1_200_000 },
  () =>
    withSystemdLab(1, (lab) =>
      withSystemdWorld(lab, { contracts: [contract], units }, async (world) => {
        const [host] = lab.hosts;
        assert.ok(host);
        await say(host, "sh", "-c", `echo 0 >${inflight}`);
        await bring(world, "1", "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n");
        assertOutcomes(await world.reconcile(), "done");

        await say(host, "sh", "-c", `echo 4 >${inflight}`);
        await bring(world, "2", "#!/bin/sh\nexec sleep 86400\n");
        const wrapJournal = afterWrite((event) => {
          if (event.kind === "submitted" && event.step === "switch.1") throw controllerGone;
        });
        await assert.rejects(world.reconcile({ wrapJournal }), controllerGone);
        await until("the host to leave service", 10_000, () => isOut(host));
        await host.crash();
        await host.boot();
        await until("the host to be in service", 30_000, async () => !(await isOut(host)));
        assert.equal(await say(host, "readlink", `${root}/current`), "versions/1");
        assert.equal(await say(host, "systemctl", "is-active", "app.service"), "active");

        // What the run came to is known: its step was lost, and it goes back.
        await say(host, "sh", "-c", `echo 0 >${inflight}`);
        await world.pushVersion("app", "1");
        await world.reconcile();
        assert.equal(await isOut(host), false);

        await bring(world, "3", "#!/bin/sh\nexec sleep 86400\n");
        const events: JournalEvent[] = [];
        assertOutcomes(await world.reconcile({ onEvent: (event) => events.push(event) }), "done");
        const switched = events.flatMap((event) =>
          event.kind === "task" && event.event.task.endsWith("/switch") ? [event.event.evidence] : [],
        );
        assert.match(switched.at(-1) ?? "", /from=1 to=3 ms=\d+ killed=app\.service after TimeoutStopSec/);
        assert.match((await cutoverCommand(world)(0, "status")).text, /app +3 .*; cut: 1 process killed/);
        assert.equal(await isOut(host), false);
      }),
    ),
);

async function bring(world: Home, version: string, serve: string): Promise<void> {
  const tree = join(world.directory, "trees", version);
  await mkdir(tree, { recursive: true });
  await writeFile(join(tree, "serve"), serve);
  await chmod(join(tree, "serve"), 0o755);
  await writeFile(join(tree, "version"), `${version}\n`);
  await world.publish(contract, version, tree);
  await world.pushVersion("app", version);
}

async function isOut(host: LabHost): Promise<boolean> {
  return (await host.run(["test", "-e", notReady])).exitCode === 0;
}
