// The matrix as Markdown: a row for each skeleton or server under its strategy, and below it what was seen of each kind of traffic.
import { cpus, release as kernelRelease, totalmem } from "node:os";
import { cellOf } from "./assert-row.ts";
import type { Row } from "./row.ts";
import type { RowResult } from "./run-row.ts";

export interface Line {
  readonly row: Row;
  /** Absent when the row broke off. */
  readonly result?: RowResult;
  readonly says: string;
  /** Why the row does not keep what it promises. */
  readonly broken?: string;
}

export function renderMatrix(input: {
  readonly lines: readonly Line[];
  readonly switches: number;
  readonly began: Date;
  readonly seconds: number;
}): string {
  const { lines, switches, began, seconds } = input;
  const totals = lines.flatMap(({ result }) => (result === undefined ? [] : [cellOf(result)]));
  const sum = (of: "requests" | "failed"): number => totals.reduce((all, cell) => all + cell[of], 0);
  return [
    "# Hand-over matrix",
    "",
    `Written by \`npm run handover -- --switches ${switches}\` on ${began.toISOString().slice(0, 16).replace("T", " ")} UTC, in ${Math.round(seconds / 60)} minutes, two rows at a time.`,
    `Machine: ${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${kernelRelease()}, Node.js ${process.version}.`,
    "",
    `Each row: ${switches} switches through the whole product (publish, push, reconcile) under load: forward, back, and every third to a`,
    "version that is not healthy and is taken back. Old and new process and version of each are read from the journal. Open loop, no",
    "retries, wrong bodies count. A pause is counted from the time at which a request was due, so it includes what the meter itself",
    "was late by on a busy machine. Streams are WebSockets, event streams and TCP connections; a hand-over under request-safe ends them.",
    "",
    `${lines.length} rows, ${number(sum("requests"))} requests, ${number(sum("failed"))} failed.`,
    "",
    ...table(
      [
        "row",
        "of",
        "strategy",
        "hand-overs",
        "requests",
        "failed",
        "longest pause",
        "meter late",
        "streams lost",
        "grade",
        "promised",
      ],
      lines.map(({ row, result, broken }) => {
        const head = [row.name, `\`deploy/${row.of}\``, `${row.strategy} (${row.manager})`];
        if (result === undefined) return [...head, "", "", "", "", "", "", "**broke off**", row.grade];
        const { requests, failed, longestPauseMs, streams, lost } = cellOf(result);
        return [
          ...head,
          number(result.switches.length),
          number(requests),
          number(failed),
          `${number(longestPauseMs)} ms`,
          `${number(result.measured.latenessMaxMs)} ms`,
          streams === 0 ? "–" : `${number(lost)} of ${number(streams)}`,
          broken === undefined ? result.grade : `**${result.grade}**`,
          row.grade,
        ];
      }),
    ),
    "",
    "## By kind of traffic",
    "",
    ...table(
      ["row", "kind", "sent", "failed", "not accepted", "longest pause", "versions that answered"],
      lines.flatMap(({ row, result }) =>
        (result?.measured.kinds ?? []).map((kind) => [
          row.name,
          kind.kind,
          number(kind.sent),
          number(kind.failed),
          number(kind.unaccepted),
          `${number(kind.longestPauseMs)} ms`,
          Object.keys(kind.versions).sort().join(", "),
        ]),
      ),
    ),
    ...lines.flatMap(({ row, broken }) =>
      broken === undefined ? [] : ["", `## ${row.name} does not keep its promise`, "", "```", broken, "```"],
    ),
    "",
  ].join("\n");
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)];
}

function number(value: number): string {
  return value.toLocaleString("en");
}
