// Runs a task as host.sh does: an empty environment with an allow-list, / as directory, a limit in time, nothing left behind.
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

export interface TaskProcess {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** A directory for what it says. */
  readonly own: string;
  /** Ends it, and then rejects with its reason. */
  readonly signal: AbortSignal;
}

export interface TaskEnd {
  /** 124 when its time ran out, 128 + signal when one ended it. */
  readonly exitCode: number;
  /** Standard output and error, the last 64 KiB. */
  readonly said: string;
}

/** Resolves when it ended, and nothing that it started lives. `onStart` is told the process group. */
export async function runTask(
  { argv, env, timeoutMs, own, signal: stop }: TaskProcess,
  onStart?: (group: number) => void,
): Promise<TaskEnd> {
  stop.throwIfAborted();
  const log = join(own, "said");
  const output = openSync(log, "w");
  const [program = "", ...rest] = argv;
  const before = process.umask(0o077); // as on a host
  const child = spawn(program, rest, { cwd: "/", env: { ...env }, stdio: ["ignore", output, output], detached: true });
  process.umask(before);
  closeSync(output);
  const onStop = (): void => endGroup(child.pid);
  stop.addEventListener("abort", onStop, { once: true });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endGroup(child.pid);
  }, timeoutMs);
  try {
    const ended = new Promise<number>((done, failed) => {
      child.on("error", failed);
      child.on("exit", (code, signal) => done(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    });
    if (child.pid !== undefined) onStart?.(child.pid);
    const exitCode = await ended;
    endGroup(child.pid);
    stop.throwIfAborted();
    const said = readFileSync(log).subarray(-65_536).toString();
    return { exitCode: late ? 124 : exitCode, said };
  } catch (error) {
    if (stop.aborted) throw error;
    return { exitCode: 126, said: `${argv[0]}: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", onStop);
    rmSync(log, { force: true });
  }
}

/** SIGKILL to the whole group; nothing when it is gone. */
export function endGroup(group: number | undefined): void {
  if (group === undefined) return;
  try {
    process.kill(-group, "SIGKILL");
  } catch {} // it ended by itself
}
