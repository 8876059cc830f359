// What `cutover grade` found: a row for each kind of traffic, what keeps the service from the next grade, and the verdict. Pure.
import type { GradeReport } from "../lab/grade/grade-component.ts";
import { isAtLeast, isStream } from "../lab/meter/grade-of.ts";
import type { FailureSeen, KindReport } from "../lab/meter/meter-report.ts";
import { type Grade, grades } from "../model/grade.ts";
import { type Cell, tableLines } from "./table.ts";
import { type Line, styled } from "./text.ts";
import { formatCount } from "./units.ts";

const headings = ["kind", "port", "sent", "failed", "not accepted", "streams lost", "longest pause", "failed by"];
const mostEvidence = 8;
/** From here on what failed or waited may be the fault of the machine that measured. */
const lateMs = 1_000;

/** How a stream was lost, for who does not know that an end in good form is called `ended`. */
const howWords: Readonly<Partial<Record<FailureSeen["reason"], string>>> = {
  cut: "stream cut off",
  ended: "stream ended by the service",
};

/** `2 cut, 1 ended`, or 0. */
function lostWords({ cut, ended }: Pick<KindReport, "cut" | "ended">): string {
  const words = [
    ...(cut > 0 ? [`${formatCount(cut)} cut`] : []),
    ...(ended > 0 ? [`${formatCount(ended)} ended`] : []),
  ];
  return words.join(", ") || "0";
}

/** `usual`: the path of the health check that was asked because nobody named another. */
export function renderGrade(report: GradeReport, { usual }: { readonly usual: string | undefined }): Line[] {
  const { component, strategy, declared, grade, because, unmeasured, measured, switches, takenBack } = report;
  const turns = switches.length - takenBack;
  const rows = measured.kinds.map((kind): Cell[] => [
    { text: kind.kind, style: "strong" },
    { text: String(kind.port) },
    { text: formatCount(kind.sent) },
    { text: formatCount(kind.failed), ...(kind.failed > 0 ? { style: "bad" as const } : {}) },
    { text: formatCount(kind.unaccepted) },
    {
      text: kind.kind === "http2" || kind.streams === 0 ? "-" : `${lostWords(kind)} of ${formatCount(kind.streams)}`,
    },
    { text: `${formatCount(kind.longestPauseMs)} ms` },
    {
      text:
        Object.entries(kind.failedBy)
          .map(([reason, count]) => `${count} ${reason}`)
          .join(", ") || "-",
    },
  ]);
  const seen = measured.kinds.flatMap(({ kind, failures }) =>
    failures.map(({ reason, detail }) => `${kind} ${howWords[reason] ?? reason}: ${detail}`),
  );
  const notSpoken = new Map(measured.notSpoken.map(({ kind, why }) => [kind, why]));
  const kept = declared === undefined || isAtLeast(grade, declared);
  const requests = measured.kinds.filter(({ kind }) => !isStream(kind));
  // One that takes some milliseconds is under way at a switch by luck only, so a service that drops those may lose none of them.
  const onlyShort = requests.length > 0 && !requests.some(({ kind, sent }) => kind === "long" && sent > 0);
  const isForShort = onlyShort && isAtLeast(grade, "request-safe");
  return [
    [],
    ...tableLines(headings, rows),
    ...[...new Set(seen)].slice(0, mostEvidence).map((line): Line => ["  ", styled(line, "faint")]),
    ...(unmeasured.length === 0
      ? []
      : [
          [
            styled("not measured:", "warn"),
            ` ${unmeasured.map((kind) => (notSpoken.has(kind) ? `${kind} (the port of --http does not speak it)` : kind)).join(", ")}; the grade says nothing of these`,
          ],
        ]),
    ...(measured.latenessMaxMs < lateMs
      ? []
      : [
          [
            styled("busy machine:", "warn"),
            ` the meter itself was late by ${formatCount(measured.latenessMaxMs)} ms; measure again on a quieter one before you trust pauses and hang-ups`,
          ],
        ]),
    ...(takenBack > 0
      ? []
      : [[styled("not measured:", "warn"), " the way back from a version that is not well; --switches 3 has one"]]),
    ...(usual === undefined || !measured.kinds.some(({ failedBy }) => failedBy["non-2xx"] !== undefined)
      ? []
      : [
          [
            styled("which path:", "warn"),
            ` ${usual} is a health check, and may say "not ready" while it drains; ask what clients ask: cutover grade ${component} --http ${usual.replace(/\/.*/, "/PATH")}`,
          ],
        ]),
    ...(isForShort
      ? [
          [
            styled("not measured:", "warn"),
            " requests that are under way for long when a switch comes, which a service that ends at once would drop; --long PATH=MS sends some",
          ],
        ]
      : []),
    ...because.map((line): Line => [styled(`not ${nextGrade(grade)}:`, "accent"), ` ${line}`]),
    // Below its promise for want of a measurement, not for what was seen.
    ...(declared === "stream-safe" && grade === "request-safe" && !measured.kinds.some(({ kind }) => isStream(kind))
      ? [
          [
            styled("next:", "accent"),
            ` cutover grade ${component} … with --websocket, --events or --tcp: it has to be seen`,
          ],
        ]
      : []),
    [
      styled(`${component}:`, "strong"),
      ` ${formatCount(turns)} ${turns === 1 ? "switch" : "switches"} by ${strategy}${takenBack === 0 ? "" : ` (${formatCount(takenBack)} taken back)`}, `,
      styled(grade === "none" ? "no grade: not even its listener is safe" : grade, kept ? "good" : "bad"),
      isForShort ? " for short requests" : "",
      declared === undefined ? "; its contract declares none" : `; its contract declares ${declared}`,
    ],
  ];
}

function nextGrade(grade: GradeReport["grade"]): Grade {
  return grades[grade === "none" ? 0 : grades.indexOf(grade) + 1] ?? "stream-safe";
}
