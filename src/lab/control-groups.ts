// The control groups that boot-host.sh makes for systemd hosts. The kernel keeps them until somebody removes them.
import { readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { LabRecord } from "./lab-record.ts";
import { waitUntil } from "./wait-until.ts";

/** Directories of a lab's groups that exist now. */
export async function controlGroups(record: LabRecord): Promise<string[]> {
  const wanted = new Set((record.namespaces ?? []).map((namespace) => `cutover-${namespace}`));
  const mounts = (await readFile("/proc/mounts", "utf8")).split("\n").map((line) => line.split(" "));
  const found: string[] = [];
  for (const [, path = "", type] of mounts) {
    if (type !== "cgroup" && type !== "cgroup2") continue;
    const names = await readdir(path).catch(() => []);
    found.push(...names.filter((name) => wanted.has(name)).map((name) => join(path, name)));
  }
  return found;
}

/** Removes them, deepest first. A group stays busy for a moment after its last process has died. */
export async function removeControlGroups(record: LabRecord): Promise<void> {
  for (const group of await controlGroups(record)) {
    await waitUntil({ what: `control group ${group} to empty`, withinMs: 60_000, condition: () => removeGroup(group) });
  }
}

async function removeGroup(group: string): Promise<boolean> {
  const children = await readdir(group, { withFileTypes: true }).catch(() => []);
  for (const child of children) if (child.isDirectory() && !(await removeGroup(join(group, child.name)))) return false;
  return rmdir(group).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === "ENOENT",
  );
}
