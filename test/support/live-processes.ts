// Processes that run now, as /proc has them. It is read at once: it is memory, and through the thread pool it costs ten times as much.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Whether a process runs, zombies aside. */
export async function alive(pid: number): Promise<boolean> {
  return isAlive(pid);
}

function isAlive(pid: number | string): boolean {
  const stat = textOf(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  return stat !== "" && !/\) [ZX] /.test(stat);
}

/** Nothing of a process that has ended meanwhile. */
function textOf(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

/** Live processes of any version of the host's component `web`, by the directories and programs that they show. */
export async function serviceProcesses(host: { readonly base: string }): Promise<number[]> {
  return pidsShowing(`${host.base}/web/`, ["cmdline"]);
}

/** Live processes but this one that name the text in one of these files of /proc, or whose program lies there. */
function pidsShowing(text: string, files: readonly string[]): number[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid || !isAlive(entry)) return [];
    const shows =
      files.some((file) => textOf(() => readFileSync(`/proc/${entry}/${file}`, "latin1")).includes(text)) ||
      textOf(() => readlinkSync(`/proc/${entry}/exe`)).includes(text);
    return shows ? [Number(entry)] : [];
  });
}

/** Kills all that show the directory; returns how many. */
export function endProcesses(directory: string): number {
  // Programs with a title of their own (nginx) show neither arguments nor environment.
  const found = pidsShowing(directory, ["cmdline", "environ"]);
  for (const pid of found) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {} // it ended by itself meanwhile
  }
  return found.length;
}
