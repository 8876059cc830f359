// The lab that needs no root: each host is a directory, a loopback address and a real sshd run by the current user.
// One sshd a host, because sshd takes no HostKey inside a Match block and every host must have a key of its own.
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { LackingError } from "../errors.ts";
import { claimDirectory } from "./claim-directory.ts";
import { freePort } from "./free-port.ts";
import type { Lab, LabRequest } from "./lab.ts";
import { labHostNames } from "./lab.ts";
import { type LabRecord, thisProcess, writeRecord } from "./lab-record.ts";
import { type LoopbackHost, makeLoopbackHost } from "./loopback-host.ts";
import { runProgram } from "./run-program.ts";
import { takeDownLab } from "./take-down.ts";

const ADDRESSES = 250;

/** Resolves when every host's sshd answers. Throws LackingError without sshd; leaves nothing behind when it fails. */
export async function startLoopbackLab(request: LabRequest): Promise<Lab> {
  const directory = await claimDirectory(resolve(request.directory));
  const id = `loopback-${randomBytes(4).toString("hex")}`;
  const record: LabRecord = { id, kind: "loopback", directory, owner: thisProcess() };
  await writeRecord(record);
  try {
    const sshd = await findSshd();
    const names = labHostNames(request.hosts);
    const addresses = names.map((_, index) => addressOf(index, request.subnet ?? 1));
    const port = await freePort(addresses);
    const hosts: LoopbackHost[] = await Promise.all(
      names.map((name, index) =>
        makeLoopbackHost({ name, address: addresses[index] ?? "", port, directory: join(directory, name), sshd }),
      ),
    );
    await Promise.all(hosts.map((host) => host.boot()));
    return { id, kind: "loopback", directory, hosts, operatorKey: undefined, down: () => takeDownLab(record) };
  } catch (error) {
    await takeDownLab(record);
    throw error;
  }
}

/** 127.0.1.1, 127.0.1.2 … */
function addressOf(index: number, subnet: number): string {
  return `127.0.${subnet + Math.floor(index / ADDRESSES)}.${1 + (index % ADDRESSES)}`;
}

/** Absolute path, as sshd insists on; as root it also wants its privilege separation directory. */
async function findSshd(): Promise<string> {
  const found = await runProgram(["sh", "-c", "command -v sshd"]);
  if (found.exitCode !== 0) {
    throw new LackingError("sshd is not installed on this machine", "sudo apt-get install openssh-server");
  }
  if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  return found.stdout.trim();
}
