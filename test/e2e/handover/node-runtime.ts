// The component `node` of a host of the loopback lab: this machine's own Node, laid out as a published runtime is.
import { mkdir, symlink } from "node:fs/promises";
import type { LabHost } from "../../../src/lab/lab.ts";

export async function layNodeRuntime({ prefix, baseDirectory }: LabHost): Promise<void> {
  const component = `${prefix}${baseDirectory}/node`;
  await mkdir(`${component}/versions/here/bin`, { recursive: true });
  await symlink(process.execPath, `${component}/versions/here/bin/node`);
  await symlink("versions/here", `${component}/current`);
}
