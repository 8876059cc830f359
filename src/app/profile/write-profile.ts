// The files of a profile: stacks for Chrome or speedscope, and a flame graph for everybody.
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { LackingError } from "../../errors.ts";
import type { CpuProfile } from "../../model/profile.ts";
import { renderFlameGraph } from "./flame-graph.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Replaces files of the same name. Absolute paths of what was written. Throws LackingError when the folder cannot be written. */
export async function writeProfile({
  directory,
  name,
  cpuProfile,
}: {
  readonly directory: string;
  readonly name: string;
  readonly cpuProfile: CpuProfile;
}): Promise<{ readonly cpuProfile: string; readonly flameGraph: string }> {
  const paths = {
    cpuProfile: join(resolve(directory), `profile-${name}.cpuprofile`),
    flameGraph: join(resolve(directory), `profile-${name}.svg`),
  };
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(paths.cpuProfile, JSON.stringify(cpuProfile));
    await writeFile(paths.flameGraph, renderFlameGraph(cpuProfile, { title: `cutover reconcile, ${name}`, root }));
  } catch (cause) {
    throw new LackingError(`Cannot write a profile to ${resolve(directory)}`, `ls -ld ${resolve(directory)}`, cause);
  }
  return paths;
}
