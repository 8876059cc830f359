// The demo uses cutover as a person would: through its command line. This runs commands, and the long one, `serve`.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import type { JournalEvent } from "../../model/run-event.ts";
import { mustRun } from "../run-program.ts";

/** How to start this very cutover: the interpreter and the main script. */
export type CutoverArgv = readonly string[];

/** Runs one command to its end and returns its standard output; throws `program-failed` with what it said. */
export function cutover(argv: CutoverArgv, args: readonly string[], cwd: string): Promise<string> {
  return mustRun([...argv, ...args], { cwd, timeoutMs: 300_000 });
}

export interface ServeProcess {
  readonly pid: number;
  /** As a crash would: no chance to tidy up. Resolves when it is gone. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** `serve --json` prints journaled events, bytes on the way, and a line a pass. */
type ServeLine = JournalEvent | { readonly kind: "pass" } | { readonly kind: "bytes" };

const stopGraceMs = 15_000;

/** Starts `cutover serve`; `onEvent` gets every journaled event, its log goes to `logPath`. */
export function spawnServe(input: {
  readonly argv: CutoverArgv;
  readonly cwd: string;
  readonly logPath: string;
  readonly onEvent: (event: JournalEvent) => void;
  readonly onPass: () => void;
  readonly onExit: (code: number | null) => void;
}): ServeProcess {
  const [program = "", ...args] = input.argv;
  const child = spawn(program, [...args, "serve", "--json"], { cwd: input.cwd, stdio: ["ignore", "pipe", "pipe"] });
  child.stderr.pipe(createWriteStream(input.logPath, { flags: "a" }));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = JSON.parse(line) as ServeLine;
    if (event.kind === "pass") input.onPass();
    else if ("stream" in event) input.onEvent(event);
  });
  let wanted = false;
  const closed = once(child, "close");
  closed.then(([code]) => {
    if (!wanted) input.onExit(code as number | null);
  });
  const end = async (signal: NodeJS.Signals) => {
    wanted = true;
    await endChild(child, signal, closed);
  };
  return { pid: child.pid ?? 0, kill: () => end("SIGKILL"), stop: () => end("SIGTERM") };
}

async function endChild(child: ChildProcess, signal: NodeJS.Signals, closed: Promise<unknown>): Promise<void> {
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), stopGraceMs);
  await closed.finally(() => clearTimeout(timer));
}
