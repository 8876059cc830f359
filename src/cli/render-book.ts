// The book of a plan as a table: what runs after what, and side by side, where, and how it stands. Pure.
import type { TaskState } from "../model/task.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import type { BookLine } from "../status/plan-book.ts";
import { type Cell, tableLines } from "./table.ts";
import type { Line, Style } from "./text.ts";
import { formatCount } from "./units.ts";

/** How a task stands, as a reader sees it first. */
export const stateStyles: Readonly<Record<TaskState, Style>> = {
  pending: "faint",
  running: "accent",
  done: "good",
  failed: "bad",
  undone: "warn",
  unknown: "bad",
  skipped: "warn",
};

/** Each step is named once; `+` stands before what runs beside the line above it. */
export function bookLines(book: readonly BookLine[], { withStates = true } = {}): Line[] {
  if (book.length === 0) return [];
  const rows = book.map((line, index): Cell[] => {
    const before = book[index - 1];
    const sameStep = before?.step === line.step;
    const beside = sameStep && before.place === line.place ? "+ " : "";
    const what = line.component === undefined ? "a person opens it" : `${beside}${line.component} ${line.task}`;
    const where = line.hosts.length === 0 ? (line.reason ?? "") : `${formatCount(line.hosts.length)}: ${foldHosts(line.hosts, { ranges: 8 })}`; // biome-ignore format: one line
    return [
      { text: sameStep ? "" : line.phase },
      { text: sameStep ? "" : line.step, style: "strong" },
      { text: what },
      ...(withStates ? [{ text: line.state, style: stateStyles[line.state] }] : []),
      { text: where },
    ];
  });
  return tableLines(["phase", "step", "task", ...(withStates ? ["state"] : []), "hosts"], rows);
}
