// Every failure in the same four parts: what failed, what was seen, what it means, what to type next. Pure.
import { CutoverError, ExitCode } from "../errors.ts";
import { type Line, styled } from "./text.ts";

const maxEvidenceLines = 24;

export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly evidence?: string;
  readonly impact?: string;
  readonly next?: string;
  readonly exitCode: number;
}

/** Anything thrown as a report. What is not a deliberate error is our bug, and says so. */
export function reportError(error: unknown): ErrorReport {
  if (error instanceof CutoverError) {
    const { code, message, evidence, impact, remedy, exitCode } = error;
    return {
      code,
      message,
      exitCode,
      ...(evidence === undefined ? {} : { evidence }),
      ...(impact === undefined ? {} : { impact }),
      ...(remedy === undefined ? {} : { next: remedy }),
    };
  }
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    code: "internal",
    message: "cutover met a fault of its own",
    evidence: text,
    impact: "Nothing was undone; hosts on trial go back by themselves at their deadline",
    next: "CUTOVER_DEBUG=1 cutover …  shows the stack; please report both",
    exitCode: ExitCode.bug,
  };
}

export function renderError(report: ErrorReport): Line[] {
  const lines: Line[] = [[styled("error:", "bad"), " ", styled(report.message, "strong")]];
  if (report.evidence) lines.push(...evidenceLines(report.evidence, 2));
  if (report.impact) lines.push([`  ${report.impact}`]);
  if (report.next) lines.push([styled("next:", "accent"), ` ${report.next}`]);
  return lines;
}

/** Lines that always stay at the front: a check says there what it found; programs say why at the end. */
const leadingEvidence = 2;

/** Text from elsewhere, one line each, indented; what does not fit is left out in the middle. */
export function evidenceLines(evidence: string, indent: number, limit = maxEvidenceLines): Line[] {
  const rows = evidence.replace(/\s+$/, "").split(/\r?\n/);
  const lead = Math.min(leadingEvidence, limit - 1);
  const left = rows.length - limit;
  const shown =
    left > 0 ? [...rows.slice(0, lead), `… ${left} lines left out`, ...rows.slice(rows.length - limit + lead)] : rows;
  return shown.map((row): Line => [" ".repeat(indent), styled(`| ${row}`, "faint")]);
}
