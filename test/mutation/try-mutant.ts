// One guard turned round in a copy of the sources, and the simulator run on it: a promise has to break, or the guard guards
// nothing that anybody would notice.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Guard } from "./find-guards.ts";

const root = join(import.meta.dirname, "../..");

export interface Verdict {
  readonly guard: Guard;
  /** `killed`: something noticed. */
  readonly kind: "killed" | "survived";
  /** What noticed it, or how much did not. */
  readonly by: string;
  readonly seconds: number;
}

export interface Worlds {
  readonly firstSeed: number;
  readonly seeds: number;
}

export interface MutationBench {
  tryMutant(guard: Guard, worlds: Worlds): Promise<Verdict>;
}

/** A copy of src/ that can be broken; removed afterwards. */
export async function withMutationBench<T>(use: (bench: MutationBench) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "cutover-mutant-"));
  try {
    await cp(join(root, "src"), join(directory, "src"), { recursive: true });
    await mkdir(join(directory, "test"));
    await cp(join(root, "test/mutation"), join(directory, "test/mutation"), { recursive: true });
    await cp(join(root, "package.json"), join(directory, "package.json"));
    await symlink(join(root, "node_modules"), join(directory, "node_modules"));
    return await use({ tryMutant: (guard, worlds) => tryMutant(directory, guard, worlds) });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A mutant that goes round in circles in one world is noticed as well: so much work without the end of a world, on however busy a machine. */
const longestCpuSeconds = 15;

async function tryMutant(directory: string, guard: Guard, worlds: Worlds): Promise<Verdict> {
  const path = join(directory, "src", guard.path);
  const whole = await readFile(path, "utf8");
  await writeFile(path, guard.mutant);
  const begun = performance.now();
  try {
    const { exitCode, said } = await run(join(directory, "test/mutation/run-mutant.ts"), worlds);
    const seconds = (performance.now() - begun) / 1_000;
    if (exitCode === 0) return { guard, kind: "survived", by: `${worlds.seeds} seeds`, seconds };
    return { guard, kind: "killed", by: exitCode === undefined ? "no end" : said, seconds };
  } finally {
    await writeFile(path, whole);
  }
}

function run(script: string, { firstSeed, seeds }: Worlds): Promise<{ exitCode: number | undefined; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, String(firstSeed), String(seeds)], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    let said = "";
    let spent = 0;
    const watch = setInterval(() => {
      const now = cpuSeconds(child.pid);
      if (now - spent > longestCpuSeconds) child.kill("SIGKILL");
    }, 500);
    child.stdout.on("data", (bytes: Buffer) => {
      said += bytes.toString().replaceAll(".", "");
      spent = cpuSeconds(child.pid);
    });
    child.once("error", reject);
    child.once("close", (code) => {
      clearInterval(watch);
      resolve({ exitCode: code ?? undefined, said: said.trim() || "an error" });
    });
  });
}

/** User and system time of a process, in the kernel's hundredths of a second. */
function cpuSeconds(pid: number | undefined): number {
  try {
    const words = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(words[11]) + Number(words[12])) / 100;
  } catch {
    return 0; // it has ended, and is told by its exit
  }
}
