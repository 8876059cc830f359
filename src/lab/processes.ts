// The processes of this machine, read from /proc. A process is named by id and start time, so that an id used again is
// never mistaken for the one that was meant.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { waitUntil } from "./wait-until.ts";

export interface ProcessName {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTime: string;
}
interface ProcessEntry extends ProcessName {
  readonly parent: number;
  readonly hasTerminal: boolean;
}

/** Undefined when there is no such process, or only its zombie. */
export function findProcess(pid: number): ProcessEntry | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, parent, , , terminal] = fields;
  const startTime = fields[19];
  if (state === undefined || startTime === undefined || state === "Z" || state === "X") return undefined;
  return { pid, startTime, parent: Number(parent), hasTerminal: terminal !== "0" };
}

export function isAlive(process: ProcessName): boolean {
  return findProcess(process.pid)?.startTime === process.startTime;
}

/** The npm that this process was started through, undefined when there is none. */
export function npmAbove(): ProcessName | undefined {
  return ancestorsOf(process.ppid, listProcesses())
    .filter((pid) => /^(\S*\/)?npm( |$)/.test(commandOf(pid)))
    .flatMap((pid) => findProcess(pid) ?? [])[0];
}

/** It and all that it started, and what that started; nothing when it is gone: its id may be that of another by now, with children of its own. */
export function treeOf(root: ProcessName | undefined): ProcessName[] {
  return root !== undefined && isAlive(root) ? [root, ...descendantsOf(root.pid)] : [];
}

/** All children of `pid`, and theirs, without itself. */
export function descendantsOf(pid: number): ProcessName[] {
  return below([pid], listProcesses()).filter((found) => found.pid !== pid);
}

/**
 * Processes that run something in `directory`, stand in it, or write their output there, and all their descendants.
 * Leaves out this process, its ancestors, and whatever a person has open in a terminal.
 */
export function processesIn(directory: string): ProcessName[] {
  const all = listProcesses();
  const spared = new Set(ancestorsOf(process.pid, all));
  const roots = all.filter((found) => !spared.has(found.pid) && !found.hasTerminal && uses(found.pid, directory));
  return below(
    roots.map((found) => found.pid),
    all,
  ).filter((found) => !spared.has(found.pid));
}

/** Kills what `find` finds until it finds nothing more. Throws `lab-timeout` when something will not die. */
export async function killUntilGone(find: () => readonly ProcessName[]): Promise<void> {
  await waitUntil({
    what: "processes of the lab to end",
    withinMs: 60_000,
    condition: () => {
      const left = find().filter(isAlive);
      for (const found of left) signalProcess(found, "SIGKILL");
      return left.length === 0;
    },
    why: () => find().map((found) => `${found.pid} ${commandOf(found.pid)}`).join("\n"), // biome-ignore format: one line
  });
}

/** Sends a signal, if the process is still the one that was meant. */
export function signalProcess(target: ProcessName, signal: NodeJS.Signals): void {
  if (!isAlive(target)) return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function listProcesses(): ProcessEntry[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => findProcess(Number(name)) ?? []);
}

function below(roots: readonly number[], all: readonly ProcessEntry[]): ProcessName[] {
  const found = new Set(roots);
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const entry of all) if (found.has(entry.parent)) found.add(entry.pid);
  }
  return all.filter((entry) => found.has(entry.pid)).map(({ pid, startTime }) => ({ pid, startTime }));
}

function ancestorsOf(pid: number, all: readonly ProcessEntry[]): number[] {
  const parents = new Map(all.map((entry) => [entry.pid, entry.parent]));
  const trail: number[] = [];
  for (let at: number | undefined = pid; at !== undefined && at !== 0; at = parents.get(at)) trail.push(at);
  return trail;
}

function uses(pid: number, directory: string): boolean {
  const inside = (path: string) => path === directory || path.startsWith(`${directory}/`);
  const links = ["cwd", "exe", "fd/1", "fd/2"].map((name) => readLink(`/proc/${pid}/${name}`));
  return links.some(inside) || mentions(commandOf(pid), directory);
}

function mentions(command: string, directory: string): boolean {
  const at = command.indexOf(directory);
  return at !== -1 && ["", "/", " ", ":", ","].includes(command.charAt(at + directory.length));
}

function commandOf(pid: number): string {
  return readText(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it ended meanwhile, or is somebody else's
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
