// Who watches runs for the command line: a live picture on a terminal, timestamped lines when piped, JSON lines for programs.
import type { RunWatcher } from "../app/execute-run.ts";
import type { JournalEvent } from "../model/run-event.ts";
import { type LiveDisplay, makeLiveDisplay } from "./live-display.ts";
import type { Output } from "./output.ts";
import { applyBytes, applyEvent, applyMaking, type RunProgress, readMaking, startProgress } from "./progress.ts";
import type { PictureSize } from "./render-progress.ts";
import { renderRunEvent } from "./render-run-event.ts";
import { renderRuns, runLabels } from "./render-runs.ts";
import { type Line, styled } from "./text.ts";
import { readMeter, type TransferReading, transferText } from "./transfer-meter.ts";
import { formatClock } from "./units.ts";

/** Bytes on the way, when nobody looks at a picture. */
const linePauseMs = 5_000;
const jsonPauseMs = 1_000;

export interface RunDisplay extends RunWatcher {
  /** Lines between runs, in the display's own form; nothing in JSON mode. */
  note(lines: readonly Line[]): void;
  /** Gives the terminal back. Call it whichever way the command ends. */
  close(): void;
}

/** `history` holds what the journal has of open runs, so that those that go on are shown whole. `now` is the clock's. */
export function watchRun(
  output: Output,
  history: readonly JournalEvent[] = [],
  now: () => number = Date.now,
): RunDisplay {
  const runs = new Map<string, WatchedRun>();
  for (const event of history) applyEvent(watchedOf(runs, event).progress, event);
  /** Those that something was heard of and that have not ended, oldest first. */
  const underWay = new Set<WatchedRun>();
  let live: LiveDisplay | undefined;
  const onScreen = !output.json && output.out.isTTY;

  const show = (lines: readonly Line[], at: number) => {
    if (live) live.print(lines);
    else if (onScreen) output.print(lines);
    else output.print(lines.map((line) => [styled(formatClock(at), "faint"), " ", ...line]));
  };
  /** Says which run a line is about, where several go on side by side. */
  const labelled = (run: WatchedRun, lines: readonly Line[]): readonly Line[] => {
    const names = runLabels([...underWay, run].map(({ progress }) => progress));
    if (names.size < 2) return lines;
    return lines.map((line) => [styled(`${names.get(run.progress)} | `, "faint"), ...line]);
  };
  const openLive = () => {
    const picture = (size: PictureSize) =>
      renderRuns(
        [...underWay].map(({ progress }) => progress),
        { now: now(), size },
      );
    live ??= makeLiveDisplay({ sink: output.out, color: output.color, picture });
  };
  const closeLive = () => {
    live?.close();
    live = undefined;
  };
  /** A picture moves by itself; lines come now and then. */
  const tellBytes = (
    watched: WatchedRun,
    title: string,
    { reading, ...document }: Readonly<Record<string, unknown>> & { readonly reading: TransferReading },
  ) => {
    live?.changed();
    const pauseMs = output.json ? jsonPauseMs : linePauseMs;
    if (onScreen || now() - watched.toldAt < pauseMs) return;
    watched.toldAt = now();
    const { done, total = null, bytesPerSecond, msLeft } = reading;
    if (!output.json) show(labelled(watched, [[`${title}: ${transferText(reading)}`]]), watched.toldAt);
    else
      output.jsonLine({
        ...document,
        ...{ done, total },
        bytesPerSecond: bytesPerSecond === undefined ? null : Math.round(bytesPerSecond),
        secondsLeft: msLeft === undefined ? null : Math.round(msLeft / 100) / 10,
      });
  };

  return {
    onEvent(event) {
      output.jsonLine(event);
      const watched = watchedOf(runs, event);
      const { progress } = watched;
      underWay.add(watched);
      applyEvent(progress, event);
      if (output.json) return;
      // What is over in a moment needs no line about its bytes.
      if (event.kind === "step-started") watched.toldAt = now();
      const { lines, lasting } = renderRunEvent(progress, event);
      const said = labelled(watched, lines);
      if (event.kind === "run-ended") {
        underWay.delete(watched);
        runs.delete(event.stream);
        if (underWay.size === 0) closeLive();
      } else if (onScreen) openLive();
      if (said.length > 0 && (lasting || !onScreen)) show(said, event.at);
      live?.changed();
    },
    onBytes(bytes, run) {
      const watched = runs.get(`run/${run}`);
      if (watched === undefined) return;
      applyBytes(watched.progress, bytes, now());
      tellBytes(watched, "sending", { kind: "bytes", run, reading: readMeter(watched.progress.transfers, now()) });
    },
    onMaking(report, run) {
      const watched = runs.get(`run/${run}`);
      if (watched === undefined) return;
      applyMaking(watched.progress, report, now());
      const { what } = report;
      const making = watched.progress.making.get(what);
      if (making)
        tellBytes(watched, `making ${what}`, { kind: "making", run, what, reading: readMaking(making, now()) });
      else live?.changed();
    },
    onSilent({ step, host, message, until }, run) {
      const watched = runs.get(`run/${run}`);
      if (watched === undefined) return;
      output.jsonLine({ kind: "silent", run, step, host, message, until });
      const line: Line = [styled("waiting", "warn"), ` for ${host} in ${step} until ${formatClock(until)}: ${message}`];
      if (!output.json) show(labelled(watched, [line]), now());
    },
    note(lines) {
      if (!output.json) show(lines, now());
    },
    close: closeLive,
  };
}

interface WatchedRun {
  readonly progress: RunProgress;
  /** When a line about its bytes was printed last. */
  toldAt: number;
}

function watchedOf(runs: Map<string, WatchedRun>, event: JournalEvent): WatchedRun {
  const known = runs.get(event.stream);
  if (known) return known;
  const progress = startProgress(event.stream.replace(/^run\//, ""), event.at);
  const watched: WatchedRun = { progress, toldAt: Number.NEGATIVE_INFINITY };
  runs.set(event.stream, watched);
  return watched;
}
