// (c) Hundreds of logical hosts behind one real sshd: the whole release beside a bare script over the same connections and
// bytes, and beside Ansible. The sshd and what runs on the hosts share this machine's cores with the controller.
import { copyFile, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runPlaybook } from "./ansible.ts";
import type { BareRequest } from "./bare-script.ts";
import type { BenchInput } from "./bench-input.ts";
import { type BenchHome, makeHome, releaseOf } from "./home.ts";
import { type Measured, measured, median, rounded } from "./measure.ts";
import { baseDirectory, type OneSshdLab, startOneSshdLab } from "./one-sshd-lab.ts";
import { type MeasuredPass, reconcileOnce, stepSeconds } from "./reconcile.ts";
import type { Aim, Section } from "./report.ts";

const bareScript = fileURLToPath(new URL("./bare-script.ts", import.meta.url));
const component = "tool";
const contract = {
  apiVersion: "cutover/v1",
  kind: "Component",
  name: component,
  root: `${baseDirectory}/${component}`,
  manager: "none",
  switch: { strategy: "none" },
};
const treeBytes = 40 * 1024;
/** As many as the controller works on at the same time. */
const atOnce = 100;
/** Of a release: one to plan, distribute, check and switch, a new one from confirm on. */
const connectionsAHost = 2;

/** A document has a size that it may have: a large fleet is several. */
function fleetDocuments(hosts: OneSshdLab["hosts"]): Record<string, unknown> {
  const parts = Array.from({ length: Math.ceil(hosts.length / 100) }, (_, part) =>
    hosts.slice(part * 100, (part + 1) * 100),
  );
  return Object.fromEntries(
    parts.map((part, index) => [
      `fleet-${index + 1}.yaml`,
      { apiVersion: "cutover/v1", kind: "Fleet", name: `fleet-${index + 1}`, hosts: part },
    ]),
  );
}

interface Sample {
  readonly hosts: number;
  readonly seconds: number;
  readonly hostsPerSecond: number;
  readonly cpuMsPerHost: number;
  /** Of sshd and everything that runs on the hosts. */
  readonly farCpuMsPerHost: number | undefined;
  readonly peakMib: number;
}

export async function benchManyHosts(input: BenchInput): Promise<Section> {
  const hosts = input.quick ? 20 : 500;
  const rounds = 1; // two minutes a release with 500 hosts on two cores
  const ansibleHosts = Math.min(hosts, input.quick ? 4 : 40);
  if (!input.tools.has("sshd") || !input.tools.has("time")) return nothing("no sshd or no GNU time here");
  const home = await makeHome(join(input.directory, "home"));
  const lab = await startOneSshdLab({
    ...{ directory: join(input.directory, "lab"), hosts, component },
    trust: {
      ...{ releaseKeys: [await home.publicKey("release")], threshold: 1 },
      controllerKeys: [await home.publicKey("envelope")],
    },
    controllerSshKey: await home.publicKey("controller"),
  });
  try {
    input.say(`(c) ${hosts} logical hosts are up`);
    await publishVersions(home, input.directory, rounds + 1);
    await home.push({
      ...fleetDocuments(lab.hosts),
      "policy.yaml": { apiVersion: "cutover/v1", kind: "Policy", name: "default", canaries: 1, batchSize: "100%" },
      "tool.yaml": contract,
    });
    const passes: (MeasuredPass & BothSides)[] = [];
    let profiled: MeasuredPass | undefined;
    const ours: Sample[] = [];
    const bare: Sample[] = [];
    const ansible: Sample[] = [];
    for (let round = 0; round <= rounds; round++) {
      await home.push({ "release.yaml": releaseOf(component, `${round + 1}.0.0`) });
      // The first one installs, and is no update: it is profiled, which costs time that no figure should hold.
      const profiling = round === 0 ? { profileTo: input.reports } : {};
      const pass = await withFarSide(lab, () => reconcileOnce(home.config, profiling));
      input.say(`(c) release ${round + 1}.0.0: ${rounded(pass.seconds)} s`);
      if (round === 0) profiled = pass;
      if (round === 0) continue;
      passes.push(pass);
      ours.push(sampleOf(pass, pass.done));
      bare.push(sampleOf(await withFarSide(lab, () => runBareScript(input, lab, pass, home)), hosts));
      if (input.tools.has("ansible-playbook"))
        ansible.push(sampleOf(await withFarSide(lab, () => runAnsible(input, lab, ansibleHosts)), ansibleHosts));
    }
    return sectionOf({ hosts, ansibleHosts, ours, bare, ansible, passes, profiled, missing: input.tools.missing });
  } finally {
    await lab.down();
  }
}

function sampleOf({ seconds, cpuSeconds, farCpuSeconds, peakMib }: BothSides, hosts: number): Sample {
  return {
    hosts,
    seconds: rounded(seconds, 2),
    hostsPerSecond: rounded(hosts / seconds, 2),
    cpuMsPerHost: rounded((1_000 * cpuSeconds) / hosts, 2),
    farCpuMsPerHost: farCpuSeconds && rounded((1_000 * farCpuSeconds) / hosts, 2),
    peakMib: Math.round(peakMib),
  };
}

type BothSides = Measured & { readonly farCpuSeconds: number | undefined };

async function withFarSide<T extends Measured>(lab: OneSshdLab, work: () => Promise<T>): Promise<T & BothSides> {
  const before = await lab.hostCpuSeconds();
  const result = await work();
  const after = await lab.hostCpuSeconds();
  return { ...result, farCpuSeconds: before === undefined || after === undefined ? undefined : after - before };
}

/** Trees of one file that does not compress, each from a seed of its own. */
async function publishVersions(home: BenchHome, directory: string, count: number): Promise<void> {
  for (let version = 1; version <= count; version++) {
    const tree = join(directory, `tree-${version}`);
    await mkdir(tree, { mode: 0o755 });
    const bytes = Buffer.alloc(treeBytes);
    for (let at = 0, state = version; at < treeBytes; at++) {
      state = (state * 1_664_525 + 1_013_904_223) >>> 0;
      bytes[at] = state >>> 24;
    }
    await writeFile(join(tree, "data"), bytes);
    await home.publish(contract, `${version}.0.0`, tree);
  }
}

async function runBareScript(
  input: BenchInput,
  lab: OneSshdLab,
  pass: MeasuredPass,
  home: BenchHome,
): Promise<Measured> {
  const perHost = Math.round(pass.bytesSent / Math.max(1, pass.done));
  const payloadPath = join(input.directory, "payload");
  await writeFile(payloadPath, Buffer.alloc(perHost, "x"));
  const request: BareRequest = {
    hosts: lab.hosts.map((host) => ({ address: host.address, port: host.port, root: lab.rootOf(host) })),
    ...{ user: lab.user, keyPath: lab.plainKey, payloadPath, moreBytes: await documentBytes(home, lab), atOnce },
  };
  const file = join(input.directory, "bare.json");
  await writeFile(file, JSON.stringify(request));
  return measured([process.execPath, bareScript, file]);
}

/** Release, signature and manifest as they lie in the artifact repository; the envelope names every host. */
async function documentBytes(home: BenchHome, lab: OneSshdLab): Promise<number> {
  const folder = join(home.directory, "artifacts");
  const names = await readdir(folder, { recursive: true });
  const of = async (end: string) => {
    const found = names.find((name) => name.endsWith(end));
    return found === undefined ? 0 : (await stat(join(folder, found))).size;
  };
  const envelope = 1_500 + lab.hosts.reduce((sum, { name }) => sum + name.length + "host \n".length, 0);
  return (await of("/release")) + (await of("/release.sig")) + (await of("/manifest")) + envelope;
}

async function runAnsible(input: BenchInput, lab: OneSshdLab, count: number): Promise<Measured> {
  const archive = join(input.directory, "tool.tar");
  await copyFile(join(input.directory, "tree-1", "data"), join(input.directory, "data"));
  await measured(["tar", "-cf", archive, "-C", input.directory, "data"]);
  return runPlaybook({
    directory: join(input.directory, "ansible"),
    hosts: lab.hosts.slice(0, count).map((host) => ({ ...host, vars: { place: `${lab.rootOf(host)}/ansible` } })),
    ...{ keyPath: lab.plainKey, forks: 20 },
    tasks: [
      { name: "place", file: { path: "{{ place }}/versions/2", state: "directory" } },
      { name: "unpack", unarchive: { src: archive, dest: "{{ place }}/versions/2" } },
      { name: "verify", stat: { path: "{{ place }}/versions/2/data", checksum_algorithm: "sha256" } },
      { name: "link", file: { src: "versions/2", dest: "{{ place }}/current", state: "link" } },
    ],
  });
}

function sectionOf(input: {
  readonly hosts: number;
  readonly ansibleHosts: number;
  readonly ours: readonly Sample[];
  readonly bare: readonly Sample[];
  readonly ansible: readonly Sample[];
  readonly passes: readonly (MeasuredPass & BothSides)[];
  readonly profiled: MeasuredPass | undefined;
  readonly missing: readonly string[];
}): Section {
  const { ours, bare, ansible, passes, profiled } = input;
  const speed = (samples: readonly Sample[]) => median(samples.map(({ hostsPerSecond }) => hostsPerSecond));
  const row = (name: string, samples: readonly Sample[]) => [
    name,
    samples[0]?.hosts,
    rounded(speed(samples), 2),
    rounded(median(samples.map(({ cpuMsPerHost }) => cpuMsPerHost))),
    rounded(median(samples.map(({ farCpuMsPerHost }) => farCpuMsPerHost ?? 0))) || undefined,
    Math.round(median(samples.map(({ peakMib }) => peakMib))),
    rounded(speed(ours) / speed(samples), 2),
  ];
  const steps = stepSeconds(passes.at(-1)?.events ?? []);
  const profile = profiled?.files.map((file) => file.split("/").at(-1)).join(", ");
  const toBare = speed(ours) / speed(bare);
  const where = `${steps.map(({ step, seconds }) => `${step} ${rounded(seconds)} s`).join(", ")}; profile of the install: ${profile}`;
  const aims: Aim[] = [
    {
      ...{
        name: "hosts/s beside the bare script",
        wanted: "≥ 70 %",
        got: `${Math.round(100 * toBare)} %`,
        met: toBare >= 0.7,
      },
      ...(toBare >= 0.7 ? {} : { cause: causeOf(passes.at(-1), where) }),
    },
  ];
  if (ansible.length > 0) {
    const toAnsible = speed(ours) / speed(ansible);
    const met = toAnsible >= 15;
    aims.push({
      ...{ name: "hosts/s beside ansible-playbook", wanted: "≥ 15 ×", got: `${rounded(toAnsible)} ×`, met },
      ...(met ? {} : { cause: causeOf(passes.at(-1), where) }),
    });
  }
  return {
    id: "c",
    tables: [
      {
        title: `(c) ${input.hosts} logical hosts on one sshd, ${treeBytes / 1_024} KB artifact, medians of ${ours.length}`,
        header: ["", "hosts", "hosts/s", "CPU ms/host, ours", "on the host", "peak MiB", "cutover is × as fast"],
        rows: [
          row("cutover, the whole release", ours),
          row(`bare script, ${connectionsAHost} connections a host`, bare),
          ...(ansible.length === 0 ? [] : [row("ansible-playbook, forks 20, pipelining", ansible)]),
        ],
      },
      {
        title: "    seconds a step of the last release",
        header: ["step", "seconds"],
        rows: steps.map(({ step, seconds }) => [step, rounded(seconds, 2)]),
      },
    ],
    aims,
    skipped: input.missing.filter((line) => line.startsWith("ansible")),
    data: { ours, bare, ansible, steps, profile: profiled?.profile },
  };
}

/** Whether the controller or the far side is what there was to wait for. */
function causeOf(pass: (MeasuredPass & BothSides) | undefined, where: string): string {
  if (pass === undefined || pass.done === 0) return where;
  const busy = Math.round((100 * pass.cpuSeconds) / pass.seconds);
  const onHosts = Math.round((1_000 * (pass.farCpuSeconds ?? 0)) / pass.done) || "unknown";
  const own = `the controller used ${busy} % of one core`;
  if (busy > 80) return `${own}, and is what limits it. ${where}`;
  return `${own}; sshd and host.sh took ${onHosts} ms of CPU a host on the same cores. ${where}`;
}

function nothing(reason: string): Section {
  return { id: "c", tables: [], aims: [], skipped: [reason], data: undefined };
}
