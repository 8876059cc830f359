// One host of the loopback lab: its directory, its sshd, and ways to make it fail.
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { LabHost } from "./lab.ts";
import { findProcess, killUntilGone, type ProcessName, processesIn, signalProcess, treeOf } from "./processes.ts";
import { mustRun, runProgram } from "./run-program.ts";
import { answersSsh } from "./ssh-banner.ts";
import { waitUntil } from "./wait-until.ts";

const BASE = "/srv/cutover";
const BOOT_WITHIN_MS = 60_000;

export type LoopbackHost = LabHost & { readonly kind: "loopback" };

/** Writes the host's files; nothing runs until `boot`. */
export async function makeLoopbackHost(input: {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly directory: string;
  readonly sshd: string;
}): Promise<LoopbackHost> {
  const { name, address, port, directory, sshd } = input;
  const system = join(directory, "sshd");
  const authorizedKeysFile = join(system, "authorized_keys");
  const prefix = join(directory, "root");
  await mkdir(join(prefix, BASE), { recursive: true });
  await mkdir(system, { mode: 0o700 });
  await mustRun(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(system, "host_key")]);
  const hostKey = (await readFile(join(system, "host_key.pub"), "utf8")).split(" ").slice(0, 2).join(" ");
  await writeFile(authorizedKeysFile, "", { mode: 0o600 });
  await writeFile(join(system, "sshd_config"), sshdConfig({ name, address, port, system }));

  // The listener, its sessions, and what the sessions run.
  let listener: ProcessName | undefined;
  const sshdProcesses = (): ProcessName[] => treeOf(listener);

  const startSshd = async () => {
    const log = openSync(join(system, "log"), "a");
    const child = spawn(sshd, ["-D", "-e", "-f", join(system, "sshd_config")], {
      detached: true,
      stdio: ["ignore", log, log],
    });
    child.once("error", () => undefined); // shows as a host that does not answer
    child.unref();
    closeSync(log);
    listener = child.pid === undefined ? undefined : findProcess(child.pid);
    await waitUntil({
      what: `${name} to answer at ${address}:${port}`,
      withinMs: BOOT_WITHIN_MS,
      condition: () => answersSsh(address, port),
      why: () => readFile(join(system, "log"), "utf8"),
    });
  };
  const stopSshd = async () => {
    await killUntilGone(sshdProcesses);
    listener = undefined;
  };
  const crash = () => killUntilGone(() => [...sshdProcesses(), ...processesIn(directory)]);

  return {
    kind: "loopback",
    name,
    address,
    port,
    hostKeys: [hostKey],
    user: userInfo().username,
    stateDirectory: join(directory, "state"),
    prefix,
    baseDirectory: BASE,
    authorizedKeysFile,
    pathOf: (path) => path,
    run: (argv, options) => runProgram(argv, { cwd: directory, ...options }),
    stopSshd,
    startSshd,
    cutNetwork: async () => {
      for (const found of sshdProcesses()) signalProcess(found, "SIGSTOP");
    },
    restoreNetwork: async () => {
      for (const found of sshdProcesses()) signalProcess(found, "SIGCONT");
    },
    reboot: async () => {
      await crash();
      await startSshd();
    },
    crash,
    boot: startSshd,
  };
}

function sshdConfig(host: {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly system: string;
}): string {
  return [
    `ListenAddress ${host.address}:${host.port}`,
    `HostKey ${host.system}/host_key`,
    `PidFile ${host.system}/pid`,
    `AuthorizedKeysFile ${host.system}/authorized_keys`,
    // SHLVL: else bash, as the user's shell, reads this machine's .bashrc for every connection, whatever that costs here.
    `SetEnv CUTOVER_HOST=${host.name} SHLVL=1`,
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin prohibit-password",
    "MaxStartups 1000",
    "MaxSessions 1000",
    "PrintMotd no",
    "",
  ].join("\n");
}
