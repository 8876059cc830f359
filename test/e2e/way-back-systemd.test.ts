// What a whole host does by itself when its controller is gone for good: it is back in service, at a deadline and after a crash.
import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { LabHost } from "../../src/lab/lab.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { afterWrite, controllerGone } from "../support/after-write.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { until } from "../support/until.ts";
import type { Home } from "../support/with-home.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";
import { say, systemState, withSystemdWorld } from "../support/with-systemd-world.ts";

const root = "/srv/cutover/app";
/** Outlives a crash, as the memory of a balancer does. */
const flag = "/srv/cutover/out-of-service";
/** It was out of service once: also when it is back before anybody looks. */
const left = "/srv/cutover/left-service";
const contract = {
  apiVersion: "cutover/v1",
  kind: "Component",
  name: "app",
  root,
  manager: "systemd",
  units: ["app.service"],
  switch: { strategy: "restart", readyWithinSeconds: 20 },
  drain: { task: "traffic", withinSeconds: 5 },
  tasks: [
    { name: "traffic", do: "away", undo: "back" },
    { name: "save", do: "dump", undo: "load" },
  ],
  backupTask: "save",
  deadlineSeconds: 60,
};
/** Only the tasks of the component may copy it. */
const rows = "/srv/cutover/rows";
const units = {
  "app.service": `[Unit]
StartLimitIntervalSec=0
[Service]
Type=exec
ExecStart=${root}/current/serve
[Install]
WantedBy=multi-user.target
`,
};
/** Never passes, and takes its time over it: until then the host is out of service. */
const sick = [{ kind: "tcp", address: "self", port: 9, withinSeconds: 6 }];
/** Back in service only with a version that runs. */
const tasks = {
  away: `#!/bin/sh\necho "$CUTOVER_VERSION" >${flag}\n: >${left}\n`,
  back: `#!/bin/sh\nsystemctl is-active app.service && rm ${flag}\n`,
  dump: `#!/bin/sh\n[ ! -f ${rows} ] || cp ${rows} "$CUTOVER_BACKUP/rows"\n`,
  load: `#!/bin/sh\n[ ! -f "$CUTOVER_BACKUP/rows" ] || cp "$CUTOVER_BACKUP/rows" ${rows}\n`,
};

test(
  "P8: a host whose controller is gone takes itself back into service after its deadline, after a crash in a trial, and keeps its probation over a crash",
  { skip: systemdSkip, timeout: 1_200_000 },
  () =>
    withSystemdLab(1, (lab) =>
      withSystemdWorld(lab, { contracts: [contract], units }, async (world) => {
        const [host] = lab.hosts;
        assert.ok(host);
        await bring(world, "1", {});
        assertOutcomes(await world.reconcile(), "done");

        await bring(world, "2", { deadlineSeconds: 3, health: sick });
        await leaveAt(world, (event) => event.kind === "submitted" && event.step === "switch.1");
        await until("the host to leave service", 60_000, () => isThere(host, left));
        await until("the host to go back by itself", 15_000, async () => (await trialOf(host)) === "reverted");
        await until("the host to be in service", 10_000, async () => !(await isOut(host)));
        assert.equal(await currentOf(host), "1");
        await world.pushVersion("app", "1");
        assertOutcomes(await world.reconcile(), "rolled-back", "in-sync");

        await say(host, "sh", "-c", `echo old >${rows}`);
        await bring(world, "3", { health: sick });
        await leaveAt(world, (event) => event.kind === "submitted" && event.step === "switch.1");
        await until("the switch", 15_000, async () => (await currentOf(host)) === "3");
        await say(host, "sh", "-c", `echo converted >${rows}`);
        await host.crash();
        await host.boot();
        await until("the host to be in service", 15_000, async () => !(await isOut(host)));
        assert.deepEqual([await trialOf(host), await currentOf(host)], ["reverted", "1"]);
        assert.equal(await say(host, "cat", rows), "old", "R17: put back at boot, before the old version started");
        await world.pushVersion("app", "1");
        assertOutcomes(await world.reconcile(), "rolled-back", "in-sync");

        await bring(world, "4", { probation: { seconds: 20, atEnd: "revert" } });
        await leaveAt(world, (event) => event.kind === "host-ended" && event.step === "confirm.1");
        assert.deepEqual([await trialOf(host), await isOut(host)], ["confirmed", false]);
        await host.crash();
        await host.boot();
        assert.deepEqual([await trialOf(host), await currentOf(host)], ["confirmed", "4"]);
        await until("the end of probation", 120_000, async () => (await trialOf(host)) === "reverted");
        assert.equal(await currentOf(host), "1");
      }),
    ),
);

async function bring(world: Home, version: string, terms: Readonly<Record<string, unknown>>): Promise<void> {
  const tree = join(world.directory, "trees", version);
  const bundle = join(world.directory, "bundles", version);
  await write(tree, { serve: "#!/bin/sh\nexec sleep 86400\n", version });
  await write(bundle, tasks);
  await world.publish({ ...contract, ...terms }, version, tree, bundle);
  await world.pushVersion("app", version);
}

async function write(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(directory, name), text);
    await chmod(join(directory, name), 0o755);
  }
}

/** A pass by a controller that is gone right after it wrote this event. */
async function leaveAt(world: Home, isLast: (event: JournalEvent) => boolean): Promise<void> {
  const wrapJournal = afterWrite((event) => {
    if (isLast(event)) throw controllerGone;
  });
  await assert.rejects(world.reconcile({ wrapJournal }), controllerGone);
}

function isOut(host: LabHost): Promise<boolean> {
  return isThere(host, flag);
}

async function isThere(host: LabHost, path: string): Promise<boolean> {
  return (await host.run(["test", "-e", path])).exitCode === 0;
}

/** armed, confirmed, reverting, reverted; empty when there is no trial. */
function trialOf(host: LabHost): Promise<string> {
  const script = `cd ${systemState}/components/app/trial 2>/dev/null && ls -d *ed *ing 2>/dev/null; true`;
  return say(host, "sh", "-c", script);
}

async function currentOf(host: LabHost): Promise<string> {
  return (await say(host, "readlink", `${root}/current`)).replace("versions/", "");
}
