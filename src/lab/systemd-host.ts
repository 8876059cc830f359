// One host of the systemd lab: Debian under systemd-nspawn with an overlay, a network namespace and an address of its own.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CutoverError } from "../errors.ts";
import type { LabHost } from "./lab.ts";
import { cutNetwork, restoreNetwork } from "./lab-network.ts";
import { findProcess, isAlive, killUntilGone, type ProcessName, treeOf } from "./processes.ts";
import { mustRun, type RunOptions, runProgram } from "./run-program.ts";
import { answersSsh } from "./ssh-banner.ts";
import { waitUntil } from "./wait-until.ts";

const bootScript = fileURLToPath(new URL("./boot-host.sh", import.meta.url));
const HOST_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const BASE = "/srv/cutover";
const BOOT_WITHIN_MS = 180_000;

export interface SystemdHostRequest {
  readonly name: string;
  readonly address: string;
  readonly namespace: string;
  readonly directory: string;
  readonly base: string;
  readonly operatorPublicKey: string;
  /** All hosts of the lab, for its /etc/hosts: there is no name server. */
  readonly neighbours: readonly { readonly name: string; readonly address: string }[];
}

/** Writes the host's own files over the base image; nothing runs until `boot`. */
export async function makeSystemdHost(request: SystemdHostRequest): Promise<LabHost> {
  const { name, address, namespace, directory, base } = request;
  const hostKey = await writeOwnFiles(request);
  let launcher: ProcessName | undefined;

  /** The host's PID 1 as this machine sees it; undefined while it is down or between two boots. */
  const init = (): ProcessName | undefined => treeOf(launcher).find((found) => isInit(found.pid));

  const run = async (argv: readonly string[], options: RunOptions = {}) => {
    const pid = init()?.pid;
    if (pid === undefined) throw new CutoverError({ code: "lab-host-down", message: `${name} is not running` });
    const enter = ["nsenter", "-t", String(pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--"];
    return runProgram([...enter, "env", "-i", HOST_PATH, "HOME=/root", "LC_ALL=C", ...argv], options);
  };

  const ready = () =>
    waitUntil({
      what: `${name} to boot and answer at ${address}`,
      withinMs: BOOT_WITHIN_MS,
      condition: async () => {
        if (init() === undefined || !(await answersSsh(address, 22))) return false;
        const state = await run(["systemctl", "is-system-running"]);
        return ["running", "degraded"].includes(state.stdout.trim());
      },
      why: async () => `${await readFile(join(directory, "console"), "utf8").catch(() => "")}`.slice(-4000),
    });

  const boot = async () => {
    if (launcher !== undefined && isAlive(launcher))
      throw new CutoverError({ code: "lab-host-up", message: `${name} is running already` });
    const log = openSync(join(directory, "console"), "a");
    const argv = ["--mount", "--propagation", "slave", "sh", bootScript, base, directory, namespace, name];
    const child = spawn("unshare", argv, { detached: true, stdio: ["ignore", log, log] });
    child.once("error", () => undefined); // shows as a host that does not boot
    child.unref();
    closeSync(log);
    launcher = child.pid === undefined ? undefined : findProcess(child.pid);
    await ready();
  };

  const reboot = async () => {
    const before = init();
    if (before === undefined) throw new CutoverError({ code: "lab-host-down", message: `${name} is not running` });
    await run(["systemctl", "reboot"]);
    await waitUntil({
      what: `${name} to go down for its reboot`,
      withinMs: BOOT_WITHIN_MS,
      condition: () => !isAlive(before),
    });
    await ready();
  };

  const crash = async () => {
    const tree = treeOf(launcher);
    await killUntilGone(() => tree);
  };

  const stopSshd = async () => {
    // Sessions live in the unit's group and outlast a plain stop.
    await run(["systemctl", "kill", "--kill-who=all", "--signal=KILL", "ssh.service"]);
    await run(["systemctl", "stop", "ssh.service"]);
    await waitUntil({
      what: `sshd of ${name} to stop`,
      withinMs: 60_000,
      condition: async () => !(await answersSsh(address, 22)),
    });
  };
  const startSshd = async () => {
    await run(["systemctl", "reset-failed", "ssh.service"]);
    await run(["systemctl", "start", "ssh.service"]);
    await waitUntil({ what: `sshd of ${name} to answer`, withinMs: 60_000, condition: () => answersSsh(address, 22) });
  };

  return {
    name,
    address,
    port: 22,
    hostKeys: [hostKey],
    user: "cutover",
    stateDirectory: "/var/lib/cutover",
    prefix: "",
    baseDirectory: BASE,
    authorizedKeysFile: "/home/cutover/.ssh/authorized_keys",
    pathOf: (path) => `/proc/${init()?.pid ?? 0}/root${path}`,
    run,
    stopSshd,
    startSshd,
    cutNetwork: () => cutNetwork(namespace),
    restoreNetwork: () => restoreNetwork(namespace),
    reboot,
    crash,
    boot,
  };
}

/** Identity and access of this one host, in the upper layer; returns its public host key. */
async function writeOwnFiles(request: SystemdHostRequest): Promise<string> {
  const { name, directory, operatorPublicKey, neighbours } = request;
  for (const part of ["upper", "work", "root"]) await mkdir(join(directory, part), { recursive: true, mode: 0o755 });
  const upper = (path: string) => join(directory, "upper", path);
  await mkdir(upper(BASE), { recursive: true, mode: 0o755 });
  await mkdir(upper("etc/ssh"), { recursive: true, mode: 0o755 });
  await mkdir(upper("root/.ssh"), { recursive: true, mode: 0o700 });
  await writeFile(upper("etc/machine-id"), `${randomBytes(16).toString("hex")}\n`, { mode: 0o444 });
  await writeFile(upper("etc/hostname"), `${name}\n`);
  const named = neighbours.map((neighbour) => `${neighbour.address} ${neighbour.name}\n`);
  await writeFile(upper("etc/hosts"), `127.0.0.1 localhost\n${named.join("")}`);
  await writeFile(upper("root/.ssh/authorized_keys"), `${operatorPublicKey}\n`, { mode: 0o600 });
  const key = upper("etc/ssh/ssh_host_ed25519_key");
  await mustRun(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key]);
  return (await readFile(`${key}.pub`, "utf8")).split(" ").slice(0, 2).join(" ");
}

/** True for the process that is number 1 in a pid namespace of its own. */
function isInit(pid: number): boolean {
  try {
    return /^NSpid:\t\d+\t1$/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false; // it ended meanwhile
  }
}
