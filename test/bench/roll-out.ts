// (b) Twenty whole Debian hosts and a real step of a real runtime: what is sent, how long each phase takes, how long a service
// is away, and what it costs the controller; beside the same by Ansible on the same hosts, in a directory of its own.
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pMap from "p-map";
import { stringify } from "yaml";
import { fetchNodeRuntimes } from "../../src/lab/demo/fetch-node-runtimes.ts";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { mustRun } from "../../src/lab/run-program.ts";
import { startSystemdLab, systemdLabLacks } from "../../src/lab/systemd-lab.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { say, withSystemdWorld } from "../support/with-systemd-world.ts";
import { runPlaybook } from "./ansible.ts";
import type { BenchInput } from "./bench-input.ts";
import { homeAt, releaseOf } from "./home.ts";
import { measured, rounded, spread } from "./measure.ts";
import { type MeasuredPass, reconcileOnce, stepSeconds } from "./reconcile.ts";
import type { Section } from "./report.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const component = "app";
const ours = { root: "/srv/cutover/app", unit: "app.service", port: 8080 };
const theirs = { root: "/srv/ansible/app", unit: "ansible-app.service", port: 8081 };

const contract = {
  apiVersion: "cutover/v1",
  kind: "Component",
  name: component,
  root: ours.root,
  manager: "systemd",
  units: [ours.unit],
  switch: { strategy: "restart", readyWithinSeconds: 30 },
  health: [{ kind: "http", url: `http://self:${ours.port}/`, samples: 3, maxFailures: 0, withinSeconds: 30 }],
  deadlineSeconds: 120,
};

const unitOf = ({ root, port }: typeof ours) => `[Unit]
StartLimitIntervalSec=0
[Service]
Environment=PORT=${port}
ExecStart=${root}/current/bin/node ${root}/current/service.mjs
[Install]
WantedBy=multi-user.target
`;

const service = `import { createServer } from "node:http";
createServer((_request, response) => response.end(process.version)).listen(process.env.PORT, () => console.log("listening", process.version));
`;

export async function benchRollOut(input: BenchInput): Promise<Section> {
  const lacks = await systemdLabLacks();
  if (lacks !== undefined) return nothing(lacks.sentence);
  if (!input.tools.has("time")) return nothing("no GNU time here");
  const trees = await makeTrees(input);
  const lab = await startSystemdLab({
    directory: join(input.directory, "lab"),
    hosts: input.quick ? 3 : 20,
    say: input.say,
    packages: ["python3"],
  });
  try {
    input.say(`(b) ${lab.hosts.length} hosts are up`);
    const policy = { canaries: 1, batchSize: "100%" };
    return await withSystemdWorld(
      lab,
      { contracts: [contract], units: { [ours.unit]: unitOf(ours) }, policy },
      (world) => rollOut(input, { lab, directory: world.home, trees }),
    );
  } finally {
    await lab.down();
  }
}

interface Tree {
  readonly version: string;
  readonly directory: string;
}

/** A runtime with a service beside it; the service is the same in both. */
async function makeTrees({ directory, say: tell }: BenchInput): Promise<readonly [Tree, Tree]> {
  const runtimes = await fetchNodeRuntimes({ onFetch: (name) => tell(`(b) fetching ${name}`) });
  const made = runtimes.map(async ({ version, directory: runtime }) => {
    const tree = join(directory, "trees", version);
    await cp(runtime, tree, { recursive: true });
    await writeFile(join(tree, "service.mjs"), service);
    return { version, directory: tree };
  });
  return (await Promise.all(made)) as unknown as readonly [Tree, Tree];
}

async function rollOut(
  input: BenchInput,
  { lab, directory, trees }: { readonly lab: Lab; readonly directory: string; readonly trees: readonly [Tree, Tree] },
): Promise<Section> {
  const home = homeAt(directory);
  const file = join(directory, "app.yaml");
  await writeFile(file, stringify(contract));
  const publishing = [];
  for (const { version, directory: tree } of trees) {
    const keys = ["--release-key", join(directory, "keys", "release"), "--artifacts", join(directory, "artifacts")];
    const args = ["publish", tree, "--component", file, "--version", version, ...keys];
    publishing.push(await measured([process.execPath, main, ...args]));
  }
  const [older, newer] = trees;
  await home.push({ "release.yaml": releaseOf(component, older.version) });
  await reconcileOnce(home.config);
  input.say(`(b) ${older.version} is installed by cutover`);
  const wire = () => bytesSent(lab);
  await home.push({ "release.yaml": releaseOf(component, newer.version) });
  const before = await wire();
  const pass = await reconcileOnce(home.config);
  const sent = (await wire()) - before;
  const away = await timesAway(lab, ours.unit);
  const rename = await renames(lab);
  const ansible = input.tools.has("ansible-playbook") ? await byAnsible(input, lab, trees) : undefined;
  return sectionOf({
    input,
    lab,
    pass,
    sent,
    away,
    rename,
    ansible,
    publishSeconds: publishing.map(({ seconds }) => seconds),
  });
}

/** Bytes that this machine sent over the lab's bridge, acknowledgements and SSH included. */
async function bytesSent(lab: Lab): Promise<number> {
  return Number(await readFile(`/sys/class/net/${lab.id}/statistics/tx_bytes`, "utf8"));
}

/** Milliseconds from systemd's order to stop until the service says that it listens again, by each host's own journal. */
async function timesAway(lab: Lab, unit: string): Promise<number[]> {
  const found = await pMap(
    lab.hosts,
    async (host) => {
      const lines = (await say(host, "journalctl", "-q", "-u", unit, "-o", "json", "-n", "60")).split("\n");
      const entries = lines.map((line) => JSON.parse(line) as { MESSAGE: string; __MONOTONIC_TIMESTAMP: string });
      const listening = entries.findLastIndex(({ MESSAGE }) => MESSAGE.startsWith("listening "));
      const stopping = entries.findLastIndex(({ MESSAGE }, at) => at < listening && MESSAGE.startsWith("Stopping "));
      const at = (index: number) => Number(entries[index]?.__MONOTONIC_TIMESTAMP) / 1_000;
      return at(listening) - at(stopping);
    },
    { concurrency: 4 },
  );
  return found.filter((each) => Number.isFinite(each));
}

/** Milliseconds of symlink, rename and fsync of the parent, 100 times on each host, in a place of its own. */
async function renames(lab: Lab): Promise<{ rename: number[]; synced: number[] }> {
  const script = `
import os, time, json
os.makedirs("/srv/cutover/bench/versions/1", exist_ok=True); os.chdir("/srv/cutover/bench")
parent = os.open(".", os.O_RDONLY); rename = []; synced = []
for _ in range(100):
    began = time.perf_counter(); os.symlink("versions/1", ".current.new"); os.rename(".current.new", "current")
    rename.append(1000 * (time.perf_counter() - began)); os.fsync(parent); synced.append(1000 * (time.perf_counter() - began))
print(json.dumps({"rename": rename, "synced": synced}))`;
  const all = await pMap(lab.hosts, (host) => say(host, "python3", "-c", script), { concurrency: 1 });
  const parsed = all.map((text) => JSON.parse(text) as { rename: number[]; synced: number[] });
  return { rename: parsed.flatMap(({ rename }) => rename), synced: parsed.flatMap(({ synced }) => synced) };
}

interface ByAnsible {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMib: number;
  readonly sent: number;
  readonly away: readonly number[];
}

/** The first playbook installs the older version and is not counted. */
async function byAnsible(input: BenchInput, lab: Lab, trees: readonly [Tree, Tree]): Promise<ByAnsible> {
  await pMap(lab.hosts, (host) => installUnit(host), { concurrency: 4 });
  let ran = { seconds: 0, cpuSeconds: 0, peakMib: 0 };
  let sent = 0;
  for (const { version, directory } of trees) {
    const archive = join(input.directory, `app-${version}.tar.gz`);
    await mustRun(["tar", "-czf", archive, "-C", directory, "."], { timeoutMs: 120_000 });
    const before = await bytesSent(lab);
    ran = await runPlaybook({
      directory: join(input.directory, "ansible"),
      hosts: lab.hosts.map(({ name, address }) => ({ name, address, port: 22, user: "root" })),
      ...{ keyPath: lab.operatorKey ?? "", forks: 20, timeoutMs: 900_000 },
      tasks: [
        { name: "place", file: { path: `${theirs.root}/versions/${version}`, state: "directory" } },
        { name: "unpack", unarchive: { src: archive, dest: `${theirs.root}/versions/${version}` } },
        { name: "link", file: { src: `versions/${version}`, dest: `${theirs.root}/current`, state: "link" } },
        { name: "restart", systemd: { name: theirs.unit, state: "restarted" } },
      ],
    });
    sent = (await bytesSent(lab)) - before;
    input.say(`(b) ${version} by Ansible: ${rounded(ran.seconds)} s`);
  }
  return { ...ran, sent, away: await timesAway(lab, theirs.unit) };
}

async function installUnit(host: LabHost): Promise<void> {
  await mkdir(host.pathOf(theirs.root), { recursive: true });
  await writeFile(host.pathOf(`/etc/systemd/system/${theirs.unit}`), unitOf(theirs), { mode: 0o644 });
  await say(host, "systemctl", "daemon-reload");
}

function sectionOf(found: {
  readonly input: BenchInput;
  readonly lab: Lab;
  readonly pass: MeasuredPass;
  readonly sent: number;
  readonly away: readonly number[];
  readonly rename: { readonly rename: readonly number[]; readonly synced: readonly number[] };
  readonly ansible: ByAnsible | undefined;
  readonly publishSeconds: readonly number[];
}): Section {
  const { lab, pass, sent, away, rename, ansible } = found;
  const steps = stepSeconds(pass.events);
  const secondsOf = (step: string) => steps.find((each) => each.step === step)?.seconds ?? 0;
  const tasks = (kind: string) => spread(taskMs(pass.events, kind));
  const mib = (bytes: number) => rounded(bytes / 2 ** 20);
  const rows: (readonly (string | number | undefined)[])[] = [
    ["whole roll-out, s", rounded(pass.seconds), ansible && rounded(ansible.seconds)],
    ["time to distribute and build, s", rounded(secondsOf("distribute")), undefined],
    ["bytes sent over the wire, MiB", mib(sent), ansible && mib(ansible.sent)],
    ["payload, MiB a host", rounded(pass.bytesSent / lab.hosts.length / 2 ** 20, 2), undefined],
    ["controller CPU, s", rounded(pass.cpuSeconds), ansible && rounded(ansible.cpuSeconds)],
    ["controller peak, MiB", Math.round(pass.peakMib), ansible && Math.round(ansible.peakMib)],
    ["from stop to listening, ms p50", spread(away).p50, ansible && spread(ansible.away).p50],
    ["from stop to listening, ms p99", spread(away).p99, ansible && spread(ansible.away).p99],
  ];
  const fine = (values: readonly number[]) => {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (share: number) => rounded(sorted[Math.ceil(share * sorted.length) - 1] ?? 0, 3);
    return [at(0.5), at(0.99)];
  };
  const timed = (["switch", "health", "confirm", "commit", "build", "check"] as const).map((kind) => {
    const { p50, p99, max } = tasks(kind);
    return [`task ${kind}`, p50, p99, max];
  });
  return {
    id: "b",
    tables: [
      {
        title: `(b) ${lab.hosts.length} systemd hosts, Node.js 22.23.2 → 22.23.3 and a service, one canary, then all`,
        header: ["", "cutover", "ansible"],
        rows,
      },
      {
        title: "    on each host, ms",
        header: ["", "p50", "p99", "max"],
        rows: [
          ["symlink and rename alone", ...fine(rename.rename)],
          ["the same and fsync of the parent", ...fine(rename.synced)],
          ...timed,
        ],
      },
      {
        title: "    seconds a phase",
        header: ["step", "seconds"],
        rows: steps.map(({ step, seconds }) => [step, rounded(seconds, 2)]),
      },
    ],
    aims: [],
    skipped: ansible === undefined ? ["ansible-playbook is not installed"] : [],
    data: {
      ...{ hosts: lab.hosts.length, seconds: pass.seconds, runSeconds: pass.runSeconds, cpuSeconds: pass.cpuSeconds },
      ...{ peakMib: pass.peakMib, wireBytes: sent, payloadBytes: pass.bytesSent, steps, stopToListeningMs: away },
      ...{ renameMs: rename.rename, renameSyncedMs: rename.synced, publishSeconds: found.publishSeconds },
      tasks: Object.fromEntries(
        ["switch", "health", "confirm", "commit", "build", "check"].map((kind) => [kind, taskMs(pass.events, kind)]),
      ),
      ansible,
    },
  };
}

function taskMs(events: readonly JournalEvent[], kind: string): number[] {
  return events.flatMap((event) =>
    event.kind === "task" && event.event.state === "done" && event.event.task.endsWith(`/${kind}`)
      ? [event.event.durationMs]
      : [],
  );
}

function nothing(reason: string): Section {
  return { id: "b", tables: [], aims: [], skipped: [reason], data: undefined };
}
