// Many logical hosts on one real sshd: every address of 127.1.0.0/16 is one, with a state directory of its own. The sshd
// tells them apart by the address that was connected to. One host is enrolled as usual, the others are copies of it.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { type EnrolInput, enrolHost } from "../../src/app/enrol-host.ts";
import { type LabRecord, thisProcess, writeRecord } from "../../src/lab/lab-record.ts";
import { freePort } from "../../src/lab/loopback-lab.ts";
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
  const record: LabRecord = {
    ...{ id: `one-sshd-${randomBytes(4).toString("hex")}`, kind: "loopback", directory, owner: thisProcess() },
  };
  await mkdir(directory, { mode: 0o755 });
  await writeRecord(record);
  try {
    const addresses = Array.from({ length: input.hosts }, (_, index) => addressOf(index));
    const port = await freePort(addresses.slice(0, 1));
    const system = join(directory, "sshd");
    const { hostKey, plainKey } = await writeSshd({ system, directory, port, controllerSshKey });
    await startSshd({ system, address: addresses[0] ?? "", port });
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

async function startSshd({ system, address, port }: { system: string; address: string; port: number }): Promise<void> {
  const sshd = (await mustRun(["sh", "-c", "command -v sshd"])).trim();
  const log = openSync(join(system, "log"), "a");
  const child = spawn(sshd, ["-D", "-e", "-f", join(system, "sshd_config")], {
    detached: true,
    stdio: ["ignore", log, log],
  });
  child.once("error", () => undefined); // shows as an sshd that does not answer
  child.unref();
  closeSync(log);
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
