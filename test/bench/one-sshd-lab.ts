// Many logical hosts on one real sshd: every address of 127.1.0.0/16 is one, with a state directory of its own. The sshd
// tells them apart by the address that was connected to. One host is enrolled as usual, the others are copies of it.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { type EnrolInput, enrolHost } from "../../src/app/enrol-host.ts";
import { freePort } from "../../src/lab/free-port.ts";
import { type LabRecord, thisProcess, writeRecord } from "../../src/lab/lab-record.ts";
import { mustRun, runProgram } from "../../src/lab/run-program.ts";
import { answersSsh } from "../../src/lab/ssh-banner.ts";
import { takeDownLab } from "../../src/lab/take-down.ts";
import { waitUntil } from "../../src/lab/wait-until.ts";
import type { Host } from "../../src/model/fleet.ts";

export const baseDirectory = "/srv/cutover";

export interface OneSshdLab {
  readonly directory: string;
  readonly hosts: readonly Host[];
  /** Opens every host without a forced command: for what is compared. */
  readonly plainKey: string;
  readonly user: string;
  /** What sshd and everything on the hosts has used so far; undefined where no control group can be made. */
  hostCpuSeconds(): Promise<number | undefined>;
  /** Where a logical host's files are. */
  rootOf(host: Host): string;
  down(): Promise<void>;
}

export async function startOneSshdLab(input: {
  readonly directory: string;
  readonly hosts: number;
  readonly component: string;
  readonly trust: EnrolInput["trust"];
  readonly controllerSshKey: string;
}): Promise<OneSshdLab> {
  const { directory, component, trust, controllerSshKey } = input;
  const id = `one-sshd-${randomBytes(4).toString("hex")}`;
  // Of kind systemd, so that its control group is removed with it.
  const record: LabRecord = { id, kind: "systemd", directory, owner: thisProcess(), namespaces: [id] };
  await mkdir(directory, { mode: 0o755 });
  await writeRecord(record);
  try {
    const addresses = Array.from({ length: input.hosts }, (_, index) => addressOf(index));
    const port = await freePort(addresses.slice(0, 1));
    const system = join(directory, "sshd");
    const { hostKey, plainKey } = await writeSshd({ system, directory, port, controllerSshKey });
    const group = await makeControlGroup(`cutover-${id}`);
    await startSshd({ system, address: addresses[0] ?? "", port, group });
    const places = addresses.map((address, index) => ({
      name: nameOf(index),
      address,
      place: join(directory, "h", address),
    }));
    const user = userInfo().username;
    const entries = places.map(
      ({ name, address }): Host => ({
        ...{ name, address, port, user, hostKeys: [hostKey], labels: {}, components: [component] },
      }),
    );
    const [first] = places;
    if (first === undefined) throw new Error("a lab of no hosts");
    await enrolHost({
      host: { name: first.name, address: first.address, port, user },
      shell: (script) => runProgram(["sh", "-s"], { input: script }),
      mode: "user",
      stateDirectory: join(first.place, "state"),
      prefix: join(first.place, "root"),
      authorizedKeysFile: "-",
      bases: [baseDirectory],
      serviceAddress: first.address,
      hostKeys: [hostKey],
      components: [component],
      trust,
      controllerSshKey,
    });
    await copyHosts(first, places.slice(1));
    return {
      directory,
      hosts: entries,
      plainKey,
      user,
      hostCpuSeconds: async () => (group === undefined ? undefined : usedSeconds(group)),
      rootOf: (host) => join(directory, "h", host.address, "root"),
      down: () => takeDownLab(record),
    };
  } catch (error) {
    await takeDownLab(record);
    throw error;
  }
}

function addressOf(index: number): string {
  return `127.1.${Math.floor(index / 250)}.${1 + (index % 250)}`;
}

function nameOf(index: number): string {
  return `n${String(index + 1).padStart(5, "0")}`;
}

async function writeSshd({
  system,
  directory,
  port,
  controllerSshKey,
}: {
  readonly system: string;
  readonly directory: string;
  readonly port: number;
  readonly controllerSshKey: string;
}): Promise<{ hostKey: string; plainKey: string }> {
  await mkdir(system, { mode: 0o700 });
  if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  const plainKey = join(system, "plain");
  for (const key of [join(system, "host_key"), plainKey])
    await mustRun(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", key]);
  const dispatch = join(system, "dispatch");
  await writeFile(dispatch, `#!/bin/sh\nset -- $SSH_CONNECTION\nexec '${directory}/h/'"$3"/state/stub\n`);
  await chmod(dispatch, 0o755);
  const plainPublic = (await readFile(`${plainKey}.pub`, "utf8")).trim();
  const lines = [`restrict,command="${dispatch}" ${controllerSshKey}`, `restrict ${plainPublic}`];
  await writeFile(join(system, "authorized_keys"), `${lines.join("\n")}\n`, { mode: 0o600 });
  const config = [
    // sshd takes at most 16 addresses; who comes from elsewhere is let in by none of them.
    `ListenAddress 0.0.0.0:${port}`,
    `AllowUsers ${userInfo().username}@127.*`,
    `HostKey ${system}/host_key`,
    // Else bash, as the user's shell, reads this machine's .bashrc for every connection, whatever that costs here.
    "SetEnv SHLVL=1",
    `PidFile ${system}/pid`,
    `AuthorizedKeysFile ${system}/authorized_keys`,
    ...["StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no"],
    ...["PermitRootLogin prohibit-password", "MaxStartups 2000", "MaxSessions 1000", "PrintMotd no", "LogLevel ERROR"],
    "",
  ];
  await writeFile(join(system, "sshd_config"), config.join("\n"));
  const hostKey = (await readFile(join(system, "host_key.pub"), "utf8")).split(" ").slice(0, 2).join(" ");
  return { hostKey, plainKey };
}

/** Counts the CPU of whatever is born in it, also after it has left its parent; undefined without root. */
async function makeControlGroup(name: string): Promise<string | undefined> {
  const mounts = (await readFile("/proc/mounts", "utf8")).split("\n").map((line) => line.split(" "));
  const path = mounts.find(([, , type]) => type === "cgroup2")?.[1];
  if (path === undefined) return undefined;
  const group = join(path, name);
  return mkdir(group).then(
    () => group,
    () => undefined,
  );
}

async function usedSeconds(group: string): Promise<number> {
  const text = await readFile(join(group, "cpu.stat"), "utf8");
  return Number(/^usage_usec (\d+)/m.exec(text)?.[1]) / 1e6;
}

async function startSshd({
  system,
  address,
  port,
  group,
}: {
  readonly system: string;
  readonly address: string;
  readonly port: number;
  readonly group: string | undefined;
}): Promise<void> {
  const sshd = (await mustRun(["sh", "-c", "command -v sshd"])).trim();
  const log = openSync(join(system, "log"), "a");
  const child = spawn(sshd, ["-D", "-e", "-f", join(system, "sshd_config")], {
    detached: true,
    stdio: ["ignore", log, log],
  });
  child.once("error", () => undefined); // shows as an sshd that does not answer
  child.unref();
  closeSync(log);
  if (group !== undefined) await writeFile(join(group, "cgroup.procs"), `${child.pid}`);
  await waitUntil({
    what: "the sshd of all logical hosts to answer",
    withinMs: 10_000,
    condition: () => answersSsh(address, port),
    why: () => readFile(join(system, "log"), "utf8"),
  });
}

interface Place {
  readonly name: string;
  readonly address: string;
  readonly place: string;
}

/** The copies differ in name, address and paths, and in nothing else. */
async function copyHosts(first: Place, others: readonly Place[]): Promise<void> {
  const script = `set -eu
while read -r name address place; do
	cp -a '${first.place}' "$place"
	sed -i -e "s|${first.place}|$place|g" -e "s|^host ${first.name}\\$|host $name|" -e "s|^address .*|address $address|" "$place/state/enrolment" "$place/state/stub"
done
`;
  const list = others.map(({ name, address, place }) => `${name} ${address} ${place}\n`).join("");
  await mustRun(["sh", "-c", script], { input: list, timeoutMs: 300_000 });
}
