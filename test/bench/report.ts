// What a bench came to: tables for people, every sample for the report file.
import { cpus, totalmem, version } from "node:os";

export interface Table {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly (string | number | undefined)[])[];
}

/** What was asked for, what came out, and when it was missed, why. */
export interface Aim {
  readonly name: string;
  readonly wanted: string;
  readonly got: string;
  readonly met: boolean;
  readonly cause?: string;
}

export interface Section {
  /** The part, and what of it when it is not whole: `a`, `a next`. */
  readonly id: string;
  readonly tables: readonly Table[];
  readonly aims: readonly Aim[];
  /** What was left out, and why. */
  readonly skipped: readonly string[];
  readonly notes?: readonly string[];
  /** Medians, ratios and every single sample. */
  readonly data: unknown;
}

export function machine(): object {
  return {
    cpu: cpus()[0]?.model.trim(),
    cores: cpus().length,
    memoryMib: Math.round(totalmem() / 2 ** 20),
    kernel: version(),
    node: process.version,
  };
}

export function renderSection({ tables, aims, skipped, notes = [] }: Section): string {
  return [
    ...tables.map(renderTable),
    ...notes.map((note) => `  ${note}\n`),
    ...skipped.map((line) => `  skipped: ${line}\n`),
    ...aims.map(
      ({ name, wanted, got, met, cause }) =>
        `  ${met ? "aim met   " : "AIM MISSED"}  ${name}: ${got} (aim: ${wanted})${cause === undefined ? "" : `\n              ${cause}`}\n`,
    ),
  ].join("\n");
}

function renderTable({ title, header, rows }: Table): string {
  const cells = [header, ...rows].map((row) => row.map((cell) => (cell === undefined ? "–" : String(cell))));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
  return `${title}\n${lines.map((line) => `  ${line.trimEnd()}\n`).join("")}`;
}
