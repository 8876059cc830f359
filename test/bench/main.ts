// npm run bench [-- a b c d e] [-- --setup] [-- --quick] [-- --pairs=esbuild,next]: figures beside the tools that people use today, in one run.
// Prints tables and writes deploy/reports/bench-DATE.json.
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { takeDownLabs } from "../../src/lab/take-down.ts";
import type { BenchInput } from "./bench-input.ts";
import { machine, renderSection, type Section } from "./report.ts";
import { findTools } from "./tools.ts";

const parts = {
  a: async (input: BenchInput) => (await import("./patches.ts")).benchPatches(input),
  b: async (input: BenchInput) => (await import("./roll-out.ts")).benchRollOut(input),
  c: async (input: BenchInput) => (await import("./many-hosts.ts")).benchManyHosts(input),
  d: async (input: BenchInput) => (await import("./planning.ts")).benchPlanning(input),
  e: async (input: BenchInput) => (await import("./one-task.ts")).benchOneTask(input),
};
type Part = keyof typeof parts;

const root = fileURLToPath(new URL("../../", import.meta.url));
const args = process.argv.slice(2).filter((each) => !each.startsWith("--pairs="));
const pairs = process.argv.slice(2).flatMap((each) => (each.startsWith("--pairs=") ? each.slice(8).split(",") : []));
const unknown = args.filter((each) => !["--setup", "--quick", ...Object.keys(parts)].includes(each));
if (unknown.length > 0) {
  process.stderr.write(
    `bench: unknown ${unknown.join(" ")}\nnext: npm run bench -- [a] [b] [c] [d] [e] [--setup] [--quick] [--pairs=NAME,…]\n`,
  );
  process.exit(64);
}
if (args.includes("--setup")) {
  const { status } = spawnSync("sh", [join(root, ".ci/set-up"), "bench"], { stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(status ?? 70);
}
const asked = (Object.keys(parts) as Part[]).filter((part) => args.includes(part));
const chosen = asked.length > 0 ? asked : (Object.keys(parts) as Part[]);
const quick = args.includes("--quick");
const say = (line: string) => void process.stderr.write(`bench: ${line}\n`);

const tools = await findTools();
for (const line of tools.missing) say(`${line}; npm run bench -- --setup installs it`);
const began = new Date();
const reports = join(root, quick ? ".cache/bench" : "deploy/reports");
await mkdir(reports, { recursive: true });
const sections: (Section & { readonly seconds: number })[] = [];
for (const part of chosen) {
  const directory = await mkdtemp(join(tmpdir(), "cutover-bench-"));
  const started = performance.now();
  try {
    const section = await parts[part]({ tools, quick, pairs, directory, reports, say }).catch(
      (error: unknown): Section => {
        process.exitCode = 1;
        const broken = `(${part}) broke off: ${error instanceof Error ? (error.stack ?? error.message) : error}`;
        return { id: part, tables: [], aims: [], skipped: [broken], data: undefined };
      },
    );
    sections.push({ ...section, seconds: Math.round((performance.now() - started) / 1_000) });
    process.stdout.write(`${renderSection(section)}\n`);
  } finally {
    await takeDownLabs({ all: false });
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
const file = join(reports, `bench-${began.toISOString().slice(0, 10)}.json`);
const place = { at: began.toISOString(), commit: commitOf(root) };
// Parts of the same day stay until they are measured again: a comparison lies within one part, never across.
const kept = (await sectionsOf(file)).filter(({ id }) => !sections.some((section) => section.id === id));
const report = {
  ...{ format: "cutover-bench/1", quick, machine: machine() },
  tools: tools.versions,
  missing: tools.missing,
  sections: [...kept, ...sections.map((section) => ({ ...section, ...place }))].sort((x, y) => (x.id < y.id ? -1 : 1)),
};
await writeFile(file, `${JSON.stringify(report, undefined, 1)}\n`);
say(`wrote ${file}`);

async function sectionsOf(path: string): Promise<readonly { readonly id: string }[]> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  return text === undefined ? [] : (JSON.parse(text) as { sections: { id: string }[] }).sections;
}

function commitOf(directory: string): string {
  return spawnSync("git", ["-C", directory, "rev-parse", "HEAD"], { encoding: "utf8" }).stdout.trim();
}
