// What `cutover task test` found: a row for each case, then what was seen where something is not as it must be. Pure.
import type { TestTasksResult } from "../lab/task-test/test-tasks.ts";
import { type Cell, tableLines } from "./table.ts";
import { type Line, styled } from "./text.ts";
import { counted } from "./units.ts";

type CaseResult = TestTasksResult["cases"][number];
type TaskCheck = CaseResult["checks"][number];

const columns = ["do", "twice", "undo", "again", "killed", "undo-killed", "dry-run"] as const;
const headings = ["TASK", "CASE", "DO", "TWICE", "UNDO", "AGAIN", "KILLED", "UNDO KILLED", "DRY RUN", "TIME"];

export function renderTaskTest({ component, cases, untested, sdk, passed, durationMs }: TestTasksResult): Line[] {
  const failed = cases.flatMap(({ checks }) => checks).filter(({ outcome }) => outcome === "failed").length;
  const verdict: Line = passed
    ? [styled("passed:", "good"), ` ${component}, ${counted(cases.length, "case")} in ${seconds(durationMs)}`]
    : [styled("failed:", "bad"), ` ${component}, ${counted(failed, "check")} of ${counted(cases.length, "case")}`];
  return [
    ...(cases.length === 0 ? [] : tableLines(headings, cases.map(caseRow))),
    ...cases.flatMap(findings),
    ...untested.map(
      (task): Line => [styled("no test", "warn"), ` ${task}: tests/${task}/before and after would be one`],
    ),
    ...sdk
      .filter(({ state }) => state !== "current" && state !== "newer")
      .map(
        ({ file, state }): Line => [styled("look", "warn"), ` tasks/${file} is ${state}; next: cutover task sdk DIR`],
      ),
    verdict,
  ];
}

function caseRow({ task, case: name, checks, durationMs }: CaseResult): Cell[] {
  const cells = columns.map((column) => checkCell(checks.find(({ check }) => check === column)));
  return [
    { text: task, style: "strong" },
    { text: name || "-" },
    ...cells,
    { text: seconds(durationMs), style: "faint" },
  ];
}

/** `ok 9/120`: killed before each of 120 lines, which leaves 9 different states. */
function checkCell(check: TaskCheck | undefined): Cell {
  if (check === undefined || check.outcome === "skipped") return { text: "-", style: "faint" };
  if (check.outcome === "failed") return { text: "FAILED", style: "bad" };
  return { text: check.lines === undefined ? "ok" : `ok ${check.states}/${check.lines}`, style: "good" };
}

function findings({ task, case: name, checks }: CaseResult): Line[] {
  return checks
    .filter(({ outcome }) => outcome === "failed")
    .flatMap(({ check, detail }): Line[] => [
      [styled("failed", "bad"), ` ${task}${name === "" ? "" : ` ${name}`} ${check}`],
      ...detail.map((line): Line => [`    ${line}`]),
    ]);
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1_000).toFixed(1)} s`;
}
