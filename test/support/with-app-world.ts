// The world of the systemd faults: `app`, a small service that runs from its version's directory, and what its hosts say of it.
import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { assertOutcomes } from "./assert-outcome.ts";
import { until } from "./until.ts";
import type { Home } from "./with-home.ts";
import { type SystemdWorldRequest, say, systemState, withSystemdWorld } from "./with-systemd-world.ts";

export interface AppVersion {
  /** Starts, and never says that it is ready. */
  readonly neverReady?: boolean;
  /** A file on the host: as long as it is there, the version is not ready. */
  readonly heldBy?: string;
  readonly deadlineSeconds?: number;
}

export interface AppWorld extends Home {
  publishApp(version: string, behaviour?: AppVersion): Promise<void>;
  pushApp(version: string): Promise<string>;
  /** Publishes a version and brings it to every host. */
  startWith(version: string): Promise<void>;
}

const root = "/srv/cutover/app";
const contract = {
  apiVersion: "cutover/v1",
  kind: "Component",
  name: "app",
  root,
  manager: "systemd",
  units: ["app.service"],
  switch: { strategy: "restart", readyWithinSeconds: 60 },
  health: [{ kind: "unit", unit: "app.service", withinSeconds: 5 }],
  deadlineSeconds: 60,
};
const units = {
  "app.service": `[Unit]
StartLimitIntervalSec=0
[Service]
Type=notify
NotifyAccess=all
TimeoutStartSec=120
ExecStart=${root}/current/bin/serve
[Install]
WantedBy=multi-user.target
`,
};

export function withAppWorld<T>(
  lab: Lab,
  request: Partial<SystemdWorldRequest>,
  body: (world: AppWorld) => Promise<T>,
): Promise<T> {
  return withSystemdWorld(lab, { contracts: [contract], units, ...request }, (home) => body(makeAppWorld(home)));
}

function makeAppWorld(home: Home): AppWorld {
  const world: AppWorld = {
    ...home,
    async publishApp(version, { neverReady = false, heldBy, deadlineSeconds = contract.deadlineSeconds } = {}) {
      const tree = join(home.directory, "trees", version);
      const serve = join(tree, "bin/serve");
      await mkdir(join(tree, "bin"), { recursive: true });
      const held = heldBy === undefined ? "" : `while [ -e ${heldBy} ]; do sleep 0.1; done\n`;
      const ready = neverReady ? "" : `${held}systemd-notify --ready\n`;
      await writeFile(serve, `#!/bin/sh\ncd -P "$(dirname "$0")/.." || exit 70\n${ready}exec sleep 86400\n`);
      await chmod(serve, 0o755);
      await home.publish({ ...contract, deadlineSeconds }, version, tree);
    },
    pushApp: (version) => home.pushVersion("app", version),
    async startWith(version) {
      await world.publishApp(version);
      await world.pushApp(version);
      assertOutcomes(await world.reconcile(), "done");
      for (const host of home.lab.hosts) await assertServes(host, version);
    },
  };
  return world;
}

/** `current` names the version, and the process that runs was started from it. */
export async function assertServes(host: LabHost, version: string): Promise<void> {
  assert.equal(await currentOf(host), version, host.name);
  const pid = await unitProperty(host, "app.service", "MainPID");
  assert.equal(await say(host, "readlink", `/proc/${pid}/cwd`), `${root}/versions/${version}`, host.name);
}

export async function currentOf(host: LabHost): Promise<string> {
  return (await say(host, "readlink", `${root}/current`)).replace("versions/", "");
}

/** Points `current` somewhere by hand. */
export async function pointCurrentByHand(host: LabHost, version: string): Promise<void> {
  await say(host, "sh", "-c", `cd ${root} && ln -s 'versions/${version}' .mine && mv -T .mine current`);
}

/** What is at `path` below the state of the host's trial of `app`: `armed/switched`, `reverted/outcome`; undefined when there is none. */
export async function trialFile(host: LabHost, path: string): Promise<string | undefined> {
  const ran = await host.run(["cat", `${systemState}/components/app/trial/${path}`]);
  return ran.exitCode === 0 ? ran.stdout : undefined;
}

/** Waits until the host has taken its trial back, by whatever means; returns why. */
export async function revertedBecause(host: LabHost, withinMs: number): Promise<string> {
  let outcome: string | undefined;
  await until(`${host.name} to go back`, withinMs, async () => {
    outcome = await trialFile(host, "reverted/outcome");
    return outcome !== undefined;
  });
  return /^reason (.*)$/m.exec(outcome ?? "")?.[1] ?? "";
}

/** How long after its deadline the host pointed `current` back, by its own clock: the link bears the time of its rename. */
export async function latenessMs(host: LabHost): Promise<number> {
  const record = await trialFile(host, "reverted/trial");
  const deadline = Number(/^deadline (\d+)$/m.exec(record ?? "")?.[1]) / 100;
  const script = `stat -c %.9Z ${root}/current; date +%s.%N; cut -d' ' -f1 /proc/uptime`;
  const [renamed = 0, now = 0, uptime = 0] = (await say(host, "sh", "-c", script)).split("\n").map(Number);
  return Math.round((renamed - (now - uptime) - deadline) * 1_000);
}

export function unitProperty(host: LabHost, unit: string, property: string): Promise<string> {
  return say(host, "systemctl", "show", "-p", property, "--value", unit);
}

/** How often the service was started since the host booted. */
export function startsOf(host: LabHost): Promise<number> {
  return linesInLog(host, "app.service", "^Started");
}

/** How many lines of a unit's log since the host booted begin so. What was said before is in it: journald writes when it finds the time. */
export async function linesInLog(host: LabHost, unit: string, pattern: string): Promise<number> {
  await say(host, "journalctl", "--sync");
  const script = `journalctl -b -q -o cat -u ${unit} | grep -c '${pattern}' || true`;
  return Number(await say(host, "sh", "-c", script));
}
