// What a test may not leave behind: processes, mounts, namespaces, links, control groups, files.
import { access, readdir, readFile } from "node:fs/promises";
import { controlGroups } from "../../src/lab/control-groups.ts";
import type { Lab } from "../../src/lab/lab.ts";
import { readRecords } from "../../src/lab/lab-record.ts";
import { processesIn } from "../../src/lab/processes.ts";

/** Processes and mounts that use `directory`, one line each. A process that is just ending gets a moment, on a busy machine a long one. */
export async function leaksIn(directory: string): Promise<string[]> {
  for (let attempt = 0; processesIn(directory).length > 0 && attempt < 200; attempt++) await tick();
  const processes = await Promise.all(
    processesIn(directory).map(async ({ pid }) => `process ${pid}: ${await commandOf(pid)}`),
  );
  const mounts = (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .filter((line) => line.includes(directory));
  return [...processes, ...mounts.map((line) => `mount ${line}`)];
}

/** Everything of a lab that is still there, one line each; empty once it is down. */
export async function leaksOf(lab: Pick<Lab, "id" | "directory"> & { readonly hosts: number }): Promise<string[]> {
  const records = (await readRecords()).filter((record) => record.id === lab.id).map((record) => `record ${record.id}`);
  const namespaces = (await readdir("/run/netns").catch(() => [])).filter((name) => name.startsWith(`${lab.id}-`));
  const links = (await readdir("/sys/class/net")).filter((name) => name.startsWith(lab.id));
  const named = Array.from({ length: lab.hosts }, (_, index) => `${lab.id}-${index + 1}`);
  const owner = { pid: 0, startTime: "" };
  const groups = await controlGroups({
    id: lab.id,
    kind: "systemd",
    directory: lab.directory,
    owner,
    namespaces: named,
  });
  const files = await access(lab.directory).then(() => [`directory ${lab.directory}`], () => []); // biome-ignore format: one line
  return [
    ...(await leaksIn(lab.directory)),
    ...records,
    ...namespaces.map((name) => `namespace ${name}`),
    ...links.map((name) => `link ${name}`),
    ...groups.map((path) => `control group ${path}`),
    ...files,
  ];
}

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

function commandOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/cmdline`, "utf8").then(
    (text) => text.replaceAll("\0", " "),
    () => "ended",
  );
}
