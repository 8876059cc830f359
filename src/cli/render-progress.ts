// The live picture of a run: phases and batches as bars, what runs now, what was seen last. Pure: model in, lines out.
import { foldHosts } from "../status/fold-hosts.ts";
import { lastWord } from "./last-word.ts";
import { type RunningTask, type RunProgress, readMaking, type StepProgress, sentBytes } from "./progress.ts";
import { groupBy } from "./render-plan.ts";
import { stepTitle } from "./render-run-event.ts";
import { escapeText, type Line, padEnd, padStart, type Span, type Style, styled } from "./text.ts";
import { readMeter, transferText } from "./transfer-meter.ts";
import { formatBytes, formatCount, formatDuration } from "./units.ts";

export interface PictureSize {
  readonly columns: number;
  /** Rows that the picture may take at most. */
  readonly rows: number;
}

interface Row {
  readonly title: string;
  readonly steps: readonly StepProgress[];
}

const nowRows = 4;

export function renderProgress(progress: RunProgress, { now, size }: { now: number; size: PictureSize }): Line[] {
  const head = headLine(progress, now);
  const tail = [...makingLines(progress, now), ...runningLines(progress, now), ...evidenceLine(progress)];
  const space = Math.max(1, size.rows - 1 - tail.length);
  const rows = fitRows(rowsOf(progress), space);
  const titleWidth = Math.min(20, Math.max(0, ...rows.map((row) => ("left" in row ? 0 : row.title.length))));
  const barWidth = Math.max(5, Math.min(30, Math.floor(size.columns / 4)));
  const lines = rows.map(
    (row): Line =>
      "left" in row ? [styled(`  … ${row.left}`, "faint")] : stepLine(progress, row, { titleWidth, barWidth, now }),
  );
  return [head, ...lines, ...tail].slice(0, Math.max(1, size.rows));
}

function headLine(progress: RunProgress, now: number): Line {
  const release = progress.plan?.release ?? "";
  return [
    styled(release, "strong"),
    ` run ${progress.run} commit ${progress.commit.slice(0, 12)} ${formatDuration(now - progress.startedAt)}`,
    progress.rollback === undefined ? "" : styled(" going back", "warn"),
  ];
}

/** A switch and its confirm are one row: a batch. */
function rowsOf(progress: RunProgress): Row[] {
  // A way back that another one took the place of ends no more.
  const steps = [...progress.steps.values()].filter(({ way }) => way === 0 || way === progress.rollback?.way);
  return steps.flatMap((step): Row[] => {
    if (step.kind === "confirm") return [];
    const confirm = steps.filter(({ kind, batch }) => kind === "confirm" && batch === step.batch);
    if (step.kind !== "switch") return [{ title: stepTitle(progress, step), steps: [step] }];
    const batches = progress.plan?.steps.filter(({ kind }) => kind === "switch").length ?? 0;
    return [{ title: `batch ${step.batch} of ${formatCount(batches)}`, steps: [step, ...confirm] }];
  });
}

/** Ended rows go first when there is no room, then those far ahead. */
function fitRows(rows: readonly Row[], space: number): (Row | { readonly left: string })[] {
  if (rows.length <= space) return [...rows];
  const current = Math.max(
    0,
    rows.findIndex(({ steps }) => steps.some(({ endedAt }) => endedAt === undefined)),
  );
  const room = Math.max(1, space - 2);
  const start = Math.max(0, Math.min(current - Math.floor(room / 3), rows.length - room));
  const end = start + room;
  const before = start === 0 ? [] : [{ left: `${formatCount(start)} rows before` }];
  const after = end >= rows.length ? [] : [{ left: `${formatCount(rows.length - end)} more to come` }];
  return [...before, ...rows.slice(start, end), ...after].slice(0, space);
}

function stepLine(
  progress: RunProgress,
  { title, steps }: Row,
  { titleWidth, barWidth, now }: { titleWidth: number; barWidth: number; now: number },
): Line {
  const total = steps.reduce((sum, { hosts }) => sum + hosts.size, 0);
  const ended = steps.reduce((sum, { outcomes }) => sum + outcomes.size, 0);
  const bad = steps.reduce(
    (sum, step) => sum + [...step.outcomes.values()].filter((each) => each !== "done").length,
    0,
  );
  const active = steps.findLast(({ startedAt }) => startedAt !== undefined);
  const done = steps.every(({ endedAt }) => endedAt !== undefined);
  const style: Style = bad > 0 ? "bad" : done ? "good" : active ? "accent" : "faint";
  const shown = active ?? steps[0];
  const counts = `${formatCount(shown?.outcomes.size ?? 0)} of ${formatCount(shown?.hosts.size ?? 0)}`;
  const filled = total === 0 ? 0 : Math.round((ended / total) * barWidth);
  const parts: Span[] = [
    "  ",
    styled(padEnd(escapeText(title), titleWidth), active ? "strong" : "faint"),
    " ",
    styled("█".repeat(filled), style),
    styled("░".repeat(barWidth - filled), "faint"),
    ` ${padStart(counts, 7)}`,
  ];
  if (bad > 0) parts.push(styled(` ${formatCount(bad)} not done`, "bad"));
  if (shown?.kind === "distribute" && active)
    parts.push(` ${done ? formatBytes(sentBytes(progress)) : transferText(readMeter(progress.transfers, now))}`);
  if (steps.length > 1 && active) parts.push(active.kind === "confirm" ? " confirm" : " switch");
  if (active)
    parts.push(` ${formatDuration(((done ? active.endedAt : undefined) ?? now) - (steps[0]?.startedAt ?? now))}`);
  const open = [...(shown?.hosts ?? [])].filter((host) => !shown?.outcomes.has(host));
  const names = open.length > 0 ? open : [...(shown?.hosts ?? [])];
  parts.push(styled(`  ${foldHosts(names, { ranges: 3 })}`, "faint"));
  return parts;
}

/** What runs now, hosts with the same task in one line, the longest first. */
function runningLines({ running }: RunProgress, now: number): Line[] {
  const groups = groupBy([...running.values()], ({ component, task, action }) => `${component}/${task} ${action}`);
  const oldest = (group: readonly RunningTask[]) => group.reduce((least, { since }) => Math.min(least, since), now);
  const shown = groups.sort((a, b) => oldest(a) - oldest(b)).slice(0, nowRows);
  return shown.map((group): Line => {
    const [{ component, task, action }] = group;
    const hosts = foldHosts(
      group.map(({ host }) => host),
      { ranges: 3 },
    );
    const verb = action === "undo" ? `undo ${task}` : task;
    return ["  now  ", styled(`${component} ${verb}`, "accent"), ` ${formatDuration(now - oldest(group))}  ${hosts}`];
  });
}

function makingLines({ making }: RunProgress, now: number): Line[] {
  return [...making]
    .slice(0, nowRows)
    .map(([what, progress]) => ["  make ", styled(what, "accent"), ` ${transferText(readMaking(progress, now))}`]);
}

function evidenceLine({ lastEvidence }: RunProgress): Line[] {
  if (lastEvidence === undefined) return [];
  return [["  last ", styled(`${lastEvidence.task}: ${lastWord(lastEvidence.text)}`, "faint")]];
}
