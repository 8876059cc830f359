// The lab of whole Debian hosts: systemd, sshd, journald and an address each. Needs root and a second a host.
import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { LackingError } from "../errors.ts";
import { baseImage } from "./base-image.ts";
import { claimDirectory } from "./claim-directory.ts";
import type { Lab, LabRequest } from "./lab.ts";
import { labHostNames } from "./lab.ts";
import { addHostNetwork, hostAddress, hostNamespace, makeBridge } from "./lab-network.ts";
import { type LabRecord, thisProcess, writeRecord } from "./lab-record.ts";
import { mustRun, runProgram } from "./run-program.ts";
import { makeSystemdHost } from "./systemd-host.ts";
import { takeDownLab } from "./take-down.ts";

const PROGRAMS: Readonly<Record<string, string>> = {
  "systemd-nspawn": "systemd-container",
  debootstrap: "debootstrap",
  ip: "iproute2",
  nft: "nftables",
  "ssh-keygen": "openssh-client",
};
const MAX_HOSTS = 250;
const BOOTS_AT_ONCE = 4;

/** What this machine lacks for a systemd lab, in one sentence; undefined when nothing. */
export async function systemdLabLacks(): Promise<{ readonly sentence: string; readonly remedy: string } | undefined> {
  if (process.getuid?.() !== 0) return { sentence: "a systemd lab needs root", remedy: "sudo npm test" };
  const missing: string[] = [];
  for (const [program, debianPackage] of Object.entries(PROGRAMS)) {
    const found = await runProgram(["sh", "-c", 'command -v "$1"', "sh", program]);
    if (found.exitCode !== 0) missing.push(debianPackage);
  }
  if (missing.length === 0) return undefined;
  return { sentence: `a systemd lab needs ${missing.join(", ")}`, remedy: `apt-get install ${missing.join(" ")}` };
}

/** Resolves when every host has booted and its sshd answers. Throws LackingError; leaves nothing behind when it fails. */
export async function startSystemdLab(
  request: LabRequest & { readonly say?: (line: string) => void; readonly packages?: readonly string[] },
): Promise<Lab> {
  const lacks = await systemdLabLacks();
  if (lacks !== undefined) throw new LackingError(`This machine cannot run it: ${lacks.sentence}`, lacks.remedy);
  const names = labHostNames(request.hosts);
  if (names.length > MAX_HOSTS)
    throw new LackingError(`A systemd lab has at most ${MAX_HOSTS} hosts`, "cutover lab down");
  const base = await baseImage(request.say ?? (() => undefined), request.packages);
  const directory = await claimDirectory(resolve(request.directory));
  const bridge = `cut${randomBytes(3).toString("hex")}`;
  const namespaces = names.map((_, index) => hostNamespace(bridge, index));
  // Written before anything is made: whoever dies from here on leaves nothing that is not written down.
  const record: LabRecord = { id: bridge, kind: "systemd", directory, owner: thisProcess(), bridge, namespaces };
  await writeRecord(record);
  try {
    const network = await makeBridge(bridge, join(dirname(base), "network.lock"));
    const operatorKey = join(directory, "operator");
    await mustRun(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab-operator", "-f", operatorKey]);
    const operatorPublicKey = (await readFile(`${operatorKey}.pub`, "utf8")).trim();
    const neighbours = names.map((name, index) => ({ name, address: hostAddress(network, index) }));
    const hosts = await Promise.all(
      neighbours.map(async ({ name, address }, index) => {
        await addHostNetwork(network, index);
        const own = join(directory, name);
        await mkdir(own, { mode: 0o755 });
        const place = { name, address, namespace: hostNamespace(bridge, index), directory: own };
        return makeSystemdHost({ ...place, base, operatorPublicKey, neighbours });
      }),
    );
    for (let index = 0; index < hosts.length; index += BOOTS_AT_ONCE) {
      await Promise.all(hosts.slice(index, index + BOOTS_AT_ONCE).map((host) => host.boot()));
    }
    return { id: record.id, kind: "systemd", directory, hosts, operatorKey, down: () => takeDownLab(record) };
  } catch (error) {
    await takeDownLab(record);
    throw error;
  }
}
