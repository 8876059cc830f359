// Housekeeping of the mirror, once when serve starts: every fetch leaves a pack, and a process that was killed leaves its
// work refs. Safe beside other git processes of ours, and never in the way: what fails is left for the next time.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { dropRef } from "./git-mirror.ts";
import { runGit } from "./run-git.ts";

export interface TidyOptions {
  readonly mirror: string;
  readonly maxPacks?: number;
  /** Work refs that are younger may be in use. */
  readonly workRefLifeMs?: number;
}
export interface Tidied {
  readonly droppedRefs: number;
  readonly repacked: boolean;
}

/** Folder below the mirror → what a work ref in it is called. */
const workRefs = [
  ["refs/cutover", /^lease-work-[0-9a-f-]{36}$/],
  ["refs/notes", /^cutover-work-[0-9a-f-]{36}$/],
] as const;

/** Drops old work refs, and packs anew when there are many packs. Objects that no ref reaches are kept: an accepted commit may be one. */
export async function tidyMirror({ mirror, maxPacks = 50, workRefLifeMs = 3_600_000 }: TidyOptions): Promise<Tidied> {
  let droppedRefs = 0;
  for (const [folder, pattern] of workRefs) {
    for (const name of await entriesOf(join(mirror, folder))) {
      const file = await stat(join(mirror, folder, name)).catch(() => undefined);
      if (!pattern.test(name) || file === undefined || Date.now() - file.mtimeMs < workRefLifeMs) continue;
      await dropRef(mirror, `${folder}/${name}`);
      droppedRefs += 1;
    }
  }
  const packs = (await entriesOf(join(mirror, "objects", "pack"))).filter((name) => name.endsWith(".pack"));
  if (packs.length <= maxPacks) return { droppedRefs, repacked: false };
  const args = ["repack", "-a", "-d", "-q", "--keep-unreachable"];
  const { exitCode } = await runGit({ repository: mirror, args, deadlineMs: 120_000 });
  return { droppedRefs, repacked: exitCode === 0 };
}

async function entriesOf(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
