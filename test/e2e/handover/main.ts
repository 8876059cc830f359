// npm run handover [-- --switches 100] [-- --rate 1] [-- --row NAME …]: the conformance matrix; --rate multiplies the load. Writes
// deploy/reports/handover.md after every row. Exit code 1 when a row is below the grade that it promises, or broke off.
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { withFileLock } from "../../../src/lab/file-lock.ts";
import { takeDownLabs } from "../../../src/lab/take-down.ts";
import { assertRow, sayRow } from "./assert-row.ts";
import { loadRows } from "./load-rows.ts";
import { renderMatrix } from "./render-matrix.ts";
import { machineText, type ReportLine, seenOf } from "./report-line.ts";
import type { Row } from "./row.ts";
import { runRow } from "./run-row.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const reports = join(root, "deploy/reports");
const { values } = parseArgs({
  options: {
    switches: { type: "string", default: "100" },
    rate: { type: "string", default: "1" },
    row: { type: "string", multiple: true, default: [] },
  },
});
const [switches, rate] = [Number(values.switches), Number(values.rate)];
if (!Number.isInteger(switches) || switches < 1 || switches > 10_000) refuse("--switches is a number from 1 to 10000");
if (!(rate > 0 && rate <= 100)) refuse("--rate is a factor up to 100");
const all = await loadRows();
const unknown = values.row.filter((name) => !all.some((row) => row.name === name));
if (unknown.length > 0) refuse(`no row ${unknown.join(", ")}; there are ${all.map(({ name }) => name).join(", ")}`);
// Whole hosts first, the last names first: what takes longest is not left for the end.
const rows = (values.row.length === 0 ? all : all.filter(({ name }) => values.row.includes(name))).toSorted(
  (a, b) => Number(b.lab === "systemd") - Number(a.lab === "systemd") || (a.name < b.name ? 1 : -1),
);

await takeDownLabs({ all: false });
await twoAtATime(rows, async (row) => {
  const began = new Date();
  say(`${row.name}: begins`);
  const measured = await measureRow(row);
  const seconds = Math.round((Date.now() - began.getTime()) / 1000);
  say(`${row.name}: ${measured.says}, ${seconds} s`);
  if (measured.broken !== undefined) {
    say(measured.broken);
    process.exitCode = 1;
  }
  const { name, of, strategy, manager, grade } = row;
  await keep({
    ...{ row: { name, of, strategy, manager, grade }, at: began.toISOString(), machine: machineText() },
    ...{ switches, rate, seconds },
    ...(measured.seen === undefined ? {} : { seen: measured.seen }),
    ...(measured.broken === undefined ? {} : { broken: measured.broken }),
  });
});

async function measureRow(row: Row): Promise<Pick<ReportLine, "seen" | "broken"> & { readonly says: string }> {
  try {
    const result = await runRow(row, { switches, rate });
    const measured = { says: sayRow(result), seen: seenOf(result) };
    try {
      assertRow(result);
      return measured;
    } catch (error) {
      return { ...measured, broken: messageOf(error) };
    }
  } catch (error) {
    return { says: "broke off", broken: messageOf(error) };
  }
}

/** Puts the line in its place of the report, and drops those whose row there is no more. */
async function keep(line: ReportLine): Promise<void> {
  const data = join(reports, "handover.json");
  await mkdir(join(root, ".cache"), { recursive: true });
  await withFileLock(join(root, ".cache", "handover.lock"), 30_000, async () => {
    const text = await readFile(data, "utf8").catch(() => "[]"); // the first report
    const before = (JSON.parse(text) as ReportLine[]).filter(({ row }) => row.name !== line.row.name);
    const lines = [...before, line]
      .filter(({ row }) => all.some(({ name }) => name === row.name))
      .sort((a, b) => (a.row.name < b.row.name ? -1 : 1));
    for (const [name, content] of [
      ["handover.json", `${JSON.stringify(lines, undefined, 1)}\n`],
      ["handover.md", renderMatrix(lines)],
    ] as const) {
      await writeFile(join(reports, `.${name}.new`), content);
      await rename(join(reports, `.${name}.new`), join(reports, name));
    }
  });
}

async function twoAtATime<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all([worker(), worker()]);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function say(line: string): void {
  process.stderr.write(`handover: ${line}\n`);
}

function refuse(problem: string): never {
  process.stderr.write(
    `handover: ${problem}\nnext: npm run handover -- [--switches NUMBER] [--rate FACTOR] [--row NAME …]\n`,
  );
  process.exit(64);
}
