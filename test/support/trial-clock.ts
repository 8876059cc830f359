// The time of a trial in the hands of a test: how long a busy machine takes for a switch decides nothing.
import { readFileSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

interface Where {
  readonly component?: string;
}

/**
 * The deadline of an armed trial, or the end of a confirmed one's probation, is now, or so many milliseconds from now: who waits for it is woken, and
 * reads it anew as it would after a nap.
 */
export async function deadlineComes(
  host: { readonly state: string },
  { component = "web", inMs = 0, of = "trial" }: Where & { readonly inMs?: number; readonly of?: "trial" | "probation" } = {}, // biome-ignore format: one line
): Promise<void> {
  const directory = join(host.state, "components", component, "trial");
  const record = join(directory, of === "trial" ? "armed/trial" : "confirmed/probation");
  const text = await readFile(record, "utf8");
  const now = Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]) * 100;
  const moved = text.replace(/^deadline .*$/m, `deadline ${Math.floor(now + inMs / 10)}`);
  await writeFile(`${record}.moved`, moved);
  await rename(`${record}.moved`, record);
  const watcher = await watcherOf(directory, of === "trial" ? "revert" : "probation");
  for (const pid of textOf(`/proc/${watcher}/task/${watcher}/children`).split(" "))
    if (textOf(`/proc/${pid}/cmdline`).includes("sleep\0")) signal(Number(pid), "SIGTERM");
}

/**
 * Nobody waits for the deadline of a trial any more. Who does looks every few seconds, and would finish a way back that a test has killed or made
 * fail, before the test's own next step.
 */
export async function endWatcher(host: { readonly state: string }, { component = "web" }: Where = {}): Promise<void> {
  signal(-(await watcherOf(join(host.state, "components", component, "trial"), "revert")), "SIGKILL");
}

/** It leads a group of its own. */
async function watcherOf(trial: string, word: "revert" | "probation"): Promise<number> {
  return Number((await readFile(join(trial, `watch-${word}`), "utf8")).split(" ")[1]);
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {} // it has just woken, or ended, by itself
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
