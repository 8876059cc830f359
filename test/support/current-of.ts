// What `current` of a component names on a lab host.
import { readlink } from "node:fs/promises";
import type { LabHost } from "../../src/lab/lab.ts";

/** The version; empty where there is no such link. Read from outside of the host: to start a process on it costs a hundred times as much. */
export async function currentOf(host: LabHost, root: string): Promise<string> {
  const link = await readlink(host.pathOf(`${host.prefix}${root}/current`)).catch(() => "");
  return link.replace("versions/", "");
}
