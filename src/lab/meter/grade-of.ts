// From counts to a grade. Pure. When it cannot be told whose fault something is, the lower grade is given.
import { type Grade, grades } from "../../model/grade.ts";
import type { KindReport } from "./meter-report.ts";
import { type TrafficKind, trafficKinds } from "./traffic.ts";

export type MeasuredGrade = Grade | "none";

const streamKinds: readonly string[] = ["websocket", "sse", "tcp"];

export function isStream(kind: string): boolean {
  return streamKinds.includes(kind);
}

export interface Graded {
  readonly grade: MeasuredGrade;
  /** What keeps it from the next grade, one sentence each; empty at the top. */
  readonly because: readonly string[];
  /** Kinds of traffic that were not measured: the grade says nothing about them. */
  readonly unmeasured: readonly TrafficKind[];
}

/**
 * listener-safe: every connection was accepted. request-safe: and every request was answered whole and right. stream-safe: and
 * no stream broke or ended. Without a kind of traffic that could have failed it, a grade is not given. Kinds that the meter does
 * not know count as requests.
 */
export function gradeOf(kinds: readonly KindReport<string>[]): Graded {
  // Of events nothing counts as sent when none came, but their streams were tried.
  const measured = kinds.filter(({ sent, unaccepted, streams }) => sent + unaccepted + streams > 0);
  const unmeasured = trafficKinds.filter((kind) => !measured.some((report) => report.kind === kind));
  const requests = measured.filter(({ kind }) => !isStream(kind));
  const streams = measured.filter(({ kind }) => isStream(kind));
  // Who speaks no HTTP has requests as well: the messages on its streams.
  const asked = requests.length > 0 ? requests : streams;
  const steps: readonly (readonly string[])[] = [
    measured.length === 0
      ? ["nothing was measured"]
      : measured.flatMap((report) => count(report, report.unaccepted, "connections were not accepted")),
    asked.flatMap((report) => count(report, report.failed, `failed${reasons(report)}`)),
    streams.length === 0
      ? ["no traffic of streams was measured"]
      : streams.flatMap((report) => [
          ...count(report, report.failed, `failed${reasons(report)}`),
          ...count(report, report.cut, "streams were cut"),
          ...count(report, report.ended, "streams were ended by the service"),
        ]),
  ];
  const reached = steps.findIndex((problems) => problems.length > 0);
  if (reached < 0) return { grade: "stream-safe", because: [], unmeasured };
  return { grade: grades[reached - 1] ?? "none", because: steps[reached] ?? [], unmeasured };
}

/** Whether what was measured is at least what was promised. */
export function isAtLeast(measured: MeasuredGrade, promised: Grade): boolean {
  return measured !== "none" && grades.indexOf(measured) >= grades.indexOf(promised);
}

function count(report: KindReport<string>, number: number, what: string): string[] {
  return number === 0 ? [] : [`${report.kind}: ${number} ${what}`];
}

function reasons({ failedBy }: KindReport<string>): string {
  const words = Object.entries(failedBy).map(([reason, number]) => `${number} ${reason}`);
  return words.length === 0 ? "" : ` (${words.join(", ")})`;
}
