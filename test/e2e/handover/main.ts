// npm run handover [-- --switches 100] [-- --row NAME …]: the whole conformance matrix. Writes deploy/reports/handover.md, unless
// only some rows were asked for. Exit code 1 when a row is below the grade that it promises, or broke off.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { takeDownLabs } from "../../../src/lab/take-down.ts";
import { assertRow, sayRow } from "./assert-row.ts";
import { loadRows } from "./load-rows.ts";
import { type Line, renderMatrix } from "./render-matrix.ts";
import type { Row } from "./row.ts";
import { runRow } from "./run-row.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const { values } = parseArgs({
  options: { switches: { type: "string", default: "100" }, row: { type: "string", multiple: true, default: [] } },
});
const switches = Number(values.switches);
if (!Number.isInteger(switches) || switches < 1 || switches > 10_000) refuse("--switches is a number from 1 to 10000");
const all = await loadRows();
const unknown = values.row.filter((name) => !all.some((row) => row.name === name));
if (unknown.length > 0) refuse(`no row ${unknown.join(", ")}; there are ${all.map(({ name }) => name).join(", ")}`);
// Whole hosts first, the last names first: what takes longest is not left for the end.
const rows = (values.row.length === 0 ? all : all.filter(({ name }) => values.row.includes(name))).toSorted(
  (a, b) => Number(b.lab === "systemd") - Number(a.lab === "systemd") || (a.name < b.name ? 1 : -1),
);

await takeDownLabs({ all: false });
const began = new Date();
const lines = await twoAtATime(rows, async (row): Promise<Line> => {
  say(`${row.name}: begins`);
  const startedMs = performance.now();
  const line = await lineOf(row);
  say(`${row.name}: ${line.says}, ${Math.round((performance.now() - startedMs) / 1000)} s`);
  return line;
});
lines.sort((a, b) => (a.row.name < b.row.name ? -1 : 1));
const text = renderMatrix({ lines, switches, began, seconds: (Date.now() - began.getTime()) / 1000 });
process.stdout.write(text);
if (rows.length === all.length) await writeFile(join(root, "deploy/reports/handover.md"), text);
if (lines.some(({ broken }) => broken !== undefined)) process.exitCode = 1;

async function lineOf(row: Row): Promise<Line> {
  try {
    const result = await runRow(row, { switches });
    const says = sayRow(result);
    try {
      assertRow(result);
      return { row, result, says };
    } catch (error) {
      return { row, result, says, broken: messageOf(error) };
    }
  } catch (error) {
    return { row, says: "broke off", broken: messageOf(error) };
  }
}

/** In the order of `items`, whichever ends first. */
async function twoAtATime<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T);
  };
  await Promise.all([worker(), worker()]);
  return results;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function say(line: string): void {
  process.stderr.write(`handover: ${line}\n`);
}

function refuse(problem: string): never {
  process.stderr.write(`handover: ${problem}\nnext: npm run handover -- [--switches NUMBER] [--row NAME …]\n`);
  process.exit(64);
}
