// Runs one program with a deadline and capped output. Everything that a lab does to this machine goes through here.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { CutoverError, LackingError } from "../errors.ts";

const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;

export interface RunOptions {
  readonly input?: string | Uint8Array | undefined;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The program is killed after this long; default 60 s. */
  readonly timeoutMs?: number;
}
export interface Ran {
  /** 128 + signal when it was killed, as in a shell. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Resolves with whatever exit code; throws LackingError when there is no such program, `no-directory` when there is none to run it
 * in, `program-timeout` past the deadline.
 */
export function runProgram(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { input, cwd, env, timeoutMs = 60_000 } = options;
  const [program = "", ...rest] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      stdio: ["pipe", "pipe", "pipe"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...(env ?? process.env), PATH: `${(env ?? process.env).PATH ?? "/usr/bin:/bin"}:/usr/sbin:/sbin` },
    });
    const started = performance.now();
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? missing(program, cwd) : error),
    );
    child.on("close", (code, signal) => {
      if (signal === "SIGKILL" && performance.now() - started >= timeoutMs) reject(timedOut(argv, timeoutMs, stderr()));
      else resolve({ exitCode: code ?? 128 + signalNumber(signal), stdout: stdout(), stderr: stderr() });
    });
    child.stdin.on("error", () => undefined); // a program need not read its input
    child.stdin.end(input ?? "");
  });
}

/** The program's output; throws `program-failed` with the last of its messages unless it exits 0. */
export async function mustRun(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const ran = await runProgram(argv, options);
  if (ran.exitCode === 0) return ran.stdout;
  throw new CutoverError({
    code: "program-failed",
    message: `${argv[0]} exited with ${ran.exitCode}`,
    evidence: `${argv.join(" ")}\n${(ran.stderr || ran.stdout).slice(-2000)}`,
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    if (size < MAX_OUTPUT_BYTES) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8");
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === "SIGKILL" ? 9 : signal === "SIGTERM" ? 15 : 1;
}

/** What spawn calls ENOENT: it says so also of the directory. */
function missing(program: string, cwd: string | undefined): CutoverError {
  if (cwd !== undefined && !existsSync(cwd))
    return new CutoverError({ code: "no-directory", message: `${program} cannot be run in ${cwd}: it is not there` });
  return new LackingError(
    `${program} is not installed on this machine`,
    "npm test   # installs what labs need, as root",
  );
}

function timedOut(argv: readonly string[], timeoutMs: number, stderr: string): CutoverError {
  return new CutoverError({
    code: "program-timeout",
    message: `${argv[0]} did not end within ${timeoutMs} ms`,
    evidence: `${argv.join(" ")}\n${stderr.slice(-2000)}`,
  });
}
