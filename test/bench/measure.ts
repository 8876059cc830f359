// One program run, measured from outside, and the few sums that all comparisons use.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../../src/lab/run-program.ts";
import { durationsOf } from "../../src/model/profile.ts";

export interface Measured {
  readonly seconds: number;
  /** User and system, children included. */
  readonly cpuSeconds: number;
  /** Of the largest single process among the program and its children. */
  readonly peakMib: number;
  readonly stdout: string;
}

/** By GNU time; throws with the program's own words unless it exits with one of `exitCodes`. */
export async function measured(
  argv: readonly string[],
  { cwd, input, timeoutMs = 600_000, exitCodes = [0], env }: MeasureOptions = {},
): Promise<Measured> {
  const work = await mkdtemp(join(tmpdir(), "cutover-bench-"));
  try {
    const figures = join(work, "time");
    const ran = await runProgram(["time", "-o", figures, "-f", "%e %U %S %M", "--quiet", ...argv], {
      ...(cwd === undefined ? {} : { cwd }),
      ...(input === undefined ? {} : { input }),
      env: { ...process.env, ...env },
      timeoutMs,
    });
    if (!exitCodes.includes(ran.exitCode))
      throw new Error(`${argv.join(" ")} exited with ${ran.exitCode}: ${(ran.stderr || ran.stdout).slice(-3_000)}`);
    const [seconds = 0, user = 0, system = 0, kib = 0] = (await readFile(figures, "utf8"))
      .trim()
      .split(" ")
      .map(Number);
    return {
      seconds,
      cpuSeconds: user + system,
      peakMib: kib / 1_024,
      stdout: ran.stdout,
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

export interface MeasureOptions {
  readonly cwd?: string;
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly exitCodes?: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
}

export function median(values: readonly number[]): number {
  return durationsOf(values).p50Ms;
}

export function share(part: number, whole: number): number | undefined {
  return whole === 0 ? undefined : part / whole;
}

/** `count` numbers as p50, p99 and largest, to a tenth. */
export function spread(values: readonly number[]): { count: number; p50: number; p99: number; max: number } {
  const { count, p50Ms, p99Ms, maxMs } = durationsOf(values);
  return { count, p50: rounded(p50Ms), p99: rounded(p99Ms), max: rounded(maxMs) };
}

export function rounded(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
