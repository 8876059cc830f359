// The network of a systemd lab: one bridge with a free 10.213.x.0/24, and one network namespace with a veth for each host.
import { randomInt } from "node:crypto";
import { LackingError } from "../errors.ts";
import { withFileLock } from "./file-lock.ts";
import type { LabRecord } from "./lab-record.ts";
import { mustRun, runProgram } from "./run-program.ts";

const SUBNETS = 256;

export interface LabNetwork {
  /** Random, and written into the lab's record before it is made: whatever bears it is the lab's own. */
  readonly bridge: string;
  readonly subnet: number;
}

/** Makes the bridge with a subnet that this machine has no route to; `lockPath` keeps two labs from choosing the same. */
export async function makeBridge(bridge: string, lockPath: string): Promise<LabNetwork> {
  return withFileLock(lockPath, 30_000, async () => {
    const routes = await mustRun(["ip", "-4", "route", "show", "table", "all"]);
    const start = randomInt(SUBNETS);
    const subnets = Array.from({ length: SUBNETS }, (_, index) => (start + index) % SUBNETS);
    const subnet = subnets.find((candidate) => !routes.includes(`10.213.${candidate}.`));
    if (subnet === undefined) throw new LackingError("No subnet of 10.213.0.0/16 is free", "cutover lab down --all");
    await mustRun(["ip", "link", "add", bridge, "type", "bridge"]);
    await mustRun(["ip", "address", "add", `10.213.${subnet}.1/24`, "dev", bridge]);
    await mustRun(["ip", "link", "set", bridge, "up"]);
    return { bridge, subnet };
  });
}

export function hostAddress({ subnet }: LabNetwork, index: number): string {
  return `10.213.${subnet}.${index + 2}`;
}

export function hostNamespace(bridge: string, index: number): string {
  return `${bridge}-${index + 1}`;
}

/** The namespace with `host0` up in it, addressed and attached to the bridge; it survives reboots of the host. */
export async function addHostNetwork(network: LabNetwork, index: number): Promise<void> {
  const namespace = hostNamespace(network.bridge, index);
  const outside = outsideLink(network.bridge, index);
  await mustRun(["ip", "netns", "add", namespace]);
  await mustRun(["ip", "link", "add", outside, "type", "veth", "peer", "name", "host0", "netns", namespace]);
  await mustRun(["ip", "link", "set", outside, "master", network.bridge, "up"]);
  await mustRun(["ip", "-n", namespace, "address", "add", `${hostAddress(network, index)}/24`, "dev", "host0"]);
  await mustRun(["ip", "-n", namespace, "link", "set", "lo", "up"]);
  await mustRun(["ip", "-n", namespace, "link", "set", "host0", "up"]);
}

/** Drops every packet but those of the loopback, both ways, from before the first rule of anybody else. */
export async function cutNetwork(namespace: string): Promise<void> {
  await mustRun(["ip", "netns", "exec", namespace, "nft", "-f", "-"], {
    input: `table inet cutover_lab
delete table inet cutover_lab
table inet cutover_lab {
  chain in { type filter hook input priority -400; policy drop; iif lo accept; }
  chain out { type filter hook output priority -400; policy drop; oif lo accept; }
}
`,
  });
}

export async function restoreNetwork(namespace: string): Promise<void> {
  const input = "table inet cutover_lab\ndelete table inet cutover_lab\n";
  await mustRun(["ip", "netns", "exec", namespace, "nft", "-f", "-"], { input });
}

/** Removes what the record names, as far as it is there. The hosts' processes must be gone. */
export async function removeNetwork({ bridge, namespaces = [] }: LabRecord): Promise<void> {
  if (bridge === undefined) return;
  const present = new Set((await mustRun(["ip", "netns", "list"])).split("\n").map((line) => line.split(" ")[0] ?? ""));
  for (const [index, namespace] of namespaces.entries()) {
    // The kernel takes a namespace apart when it finds the time; its link is gone at once only when it is deleted by name.
    await removeLink(outsideLink(bridge, index));
    if (present.has(namespace)) await mustRun(["ip", "netns", "delete", namespace]);
  }
  await removeLink(bridge);
}

async function removeLink(name: string): Promise<void> {
  const gone = await runProgram(["ip", "link", "delete", name]);
  if (gone.exitCode !== 0 && !gone.stderr.includes("Cannot find device")) {
    throw new LackingError(`Cannot remove ${name}: ${gone.stderr.trim()}`, `ip link delete ${name}`);
  }
}

/** This machine's end of a host's link. */
function outsideLink(bridge: string, index: number): string {
  return `${bridge}v${index + 1}`;
}
