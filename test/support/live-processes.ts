// Processes that run now, as /proc has them. It is read at once: it is memory, and through the thread pool it costs ten times as much.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Whether a process runs, zombies aside. */
export async function alive(pid: number): Promise<boolean> {
  return isAlive(pid);
}

function isAlive(pid: number | string): boolean {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat !== "" && !/^\) [ZX] /.test(stat.slice(stat.lastIndexOf(")")));
}

/** A file in /proc; nothing of a process that has ended meanwhile. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Where a link in /proc leads; nowhere for a process that has ended meanwhile. */
export function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/**
 * Live processes of any version of the host's component `web` under manager process: by what that one gives them, or their program.
 * Not by their arguments: what host.sh calls (`mv`, `sync`) names the same directories, and is there before the service is.
 */
export async function serviceProcesses(host: { readonly base: string; readonly state: string }): Promise<number[]> {
  return pidsWhere(
    (show, program) =>
      show("environ").includes(`CUTOVER_PID_FILE=${host.state}/components/web/pid\0`) ||
      program().startsWith(`${host.base}/web/`),
  );
}

/** Live processes but this one, chosen by what a file of theirs in /proc shows, and by the path of their program. */
function pidsWhere(chosen: (show: (file: string) => string, program: () => string) => boolean): number[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid || !isAlive(entry)) return [];
    const show = (file: string): string => textOf(`/proc/${entry}/${file}`);
    return chosen(show, () => linkOf(`/proc/${entry}/exe`)) ? [Number(entry)] : [];
  });
}

/** Kills all that show the directory; returns how many. */
export function endProcesses(directory: string): number {
  // Programs with a title of their own (nginx) show neither arguments nor environment.
  const found = pidsWhere(
    (show, program) =>
      ["cmdline", "environ"].some((file) => show(file).includes(directory)) || program().includes(directory),
  );
  for (const pid of found) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {} // it ended by itself meanwhile
  }
  return found.length;
}
