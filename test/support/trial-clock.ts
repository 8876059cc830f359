// The time of a trial in the hands of a test: how long a busy machine takes for a switch decides nothing.
import assert from "node:assert/strict";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { textOf } from "./live-processes.ts";

interface Which {
  readonly component?: string;
  /** What ends: the trial at its deadline, or the probation of a confirmed one. */
  readonly of?: "trial" | "probation";
}

/**
 * The deadline of an armed trial, or the end of a confirmed one's probation, is now, or so many milliseconds from now: who waits for it is woken, and
 * reads it anew as it would after a nap.
 */
export async function deadlineComes(
  host: { readonly state: string },
  { component = "web", inMs = 0, of = "trial" }: Which & { readonly inMs?: number } = {},
): Promise<void> {
  const directory = join(host.state, "components", component, "trial");
  const record = join(directory, of === "trial" ? "armed/trial" : "confirmed/probation");
  const text = await readFile(record, "utf8");
  const now = Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]) * 100;
  const moved = text.replace(/^deadline .*$/m, `deadline ${Math.floor(now + inMs / 10)}`);
  await writeFile(`${record}.moved`, moved);
  await rename(`${record}.moved`, record);
  const watcher = await watcherOf(directory, of);
  for (const pid of textOf(`/proc/${watcher}/task/${watcher}/children`).split(" "))
    if (textOf(`/proc/${pid}/cmdline`).includes("sleep\0")) endSleep(Number(pid));
}

/**
 * Nobody waits for the deadline of a trial, or the end of its probation, any more. Who does looks every few seconds, and would finish a way back
 * that a test has killed or made fail, before the test's own next step. Fails when nobody waited: then there is somebody else who would.
 */
export async function endWatcher(
  host: { readonly state: string },
  { component = "web", of = "trial" }: Which = {},
): Promise<void> {
  process.kill(-(await watcherOf(join(host.state, "components", component, "trial"), of)), "SIGKILL");
}

/** It leads a group of its own. */
async function watcherOf(trial: string, of: "trial" | "probation"): Promise<number> {
  const file = join(trial, of === "trial" ? "watch-revert" : "watch-probation");
  const text = await readFile(file, "utf8");
  const pid = Number(text.split(" ")[1]);
  assert.ok(pid > 1, `${file} names no process: ${JSON.stringify(text)}`);
  return pid;
}

function endSleep(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // else it has just woken by itself
  }
}
