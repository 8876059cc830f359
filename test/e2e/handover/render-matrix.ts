// The matrix as Markdown: a row for each skeleton or server under its strategy, and below it what was seen of each kind of traffic.
import type { ReportLine } from "./report-line.ts";

const headings = [
  "row",
  "of",
  "strategy",
  "switches",
  "hand-overs",
  "requests",
  "failed",
  "longest pause",
  "meter late",
  "streams lost",
  "grade",
  "promised",
  "measured (UTC)",
];

export function renderMatrix(lines: readonly ReportLine[]): string {
  const sum = (of: "requests" | "failed" | "handOvers"): number =>
    lines.reduce((all, { seen }) => all + (seen?.[of] ?? 0), 0);
  const machines = [...new Set(lines.map(({ machine }) => machine))];
  return [
    "# Hand-over matrix",
    "",
    "Written by `npm run handover -- --switches NUMBER`, two rows at a time; a row that is measured again alone (`--row NAME`) takes",
    "its own place.",
    "",
    ...machines.map((machine) => `Machine: ${machine}.`),
    "",
    "Each switch goes through the whole product (publish, push, reconcile) under load: forward, back, and every third to a version",
    "that is not healthy and is taken back, which is a hand-over more. Old and new process and version of each are read from the",
    "journal. Open loop, no retries, wrong bodies count. A pause is counted from the time at which a request was due, so it includes",
    "what the meter itself was late by on a busy machine. Streams are WebSockets, event streams and TCP connections: a hand-over",
    "that is request-safe ends them, and a message that was under way then is failed below, under its kind; it is no request.",
    "",
    `${lines.length} rows, ${number(sum("handOvers"))} hand-overs, ${number(sum("requests"))} requests, ${number(sum("failed"))} failed.`,
    "",
    ...table(headings, lines.map(rowCells)),
    "",
    "## By kind of traffic",
    "",
    ...table(
      ["row", "kind", "sent", "failed", "not accepted", "longest pause", "versions that answered"],
      lines.flatMap(({ row, seen }) =>
        (seen?.kinds ?? []).map(({ kind, port, sent, failed, unaccepted, longestPauseMs, versions }) => [
          ...[
            row.name,
            port === undefined ? kind : `${kind} ${port}`,
            number(sent),
            number(failed),
            number(unaccepted),
            `${number(longestPauseMs)} ms`,
          ],
          versions.join(", "),
        ]),
      ),
    ),
    ...lines.flatMap(({ row, broken }) =>
      broken === undefined ? [] : ["", `## ${row.name} does not keep its promise`, "", "```", broken, "```"],
    ),
    "",
  ].join("\n");
}

function rowCells({ row, at, switches, rate, seen, broken }: ReportLine): string[] {
  const head = [row.name, `\`deploy/${row.of}\``, `${row.strategy} (${row.manager})`, number(switches)];
  const when = `${at.slice(0, 16).replace("T", " ")}${rate === 1 ? "" : `, rate × ${rate}`}`;
  if (seen === undefined) return [...head, "", "", "", "", "", "", "**broke off**", row.grade, when];
  return [
    ...head,
    ...[number(seen.handOvers), number(seen.requests), number(seen.failed)],
    ...[`${number(seen.longestPauseMs)} ms`, `${number(seen.latenessMaxMs)} ms`],
    seen.streams === 0 ? "–" : `${number(seen.lost)} of ${number(seen.streams)}`,
    broken === undefined ? seen.grade : `**${seen.grade}**`,
    ...[row.grade, when],
  ];
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)];
}

function number(value: number): string {
  return value.toLocaleString("en");
}
