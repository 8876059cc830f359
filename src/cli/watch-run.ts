// Who watches a run for the command line: a live picture on a terminal, timestamped lines when piped, JSON lines for programs.
import type { RunWatcher } from "../app/execute-run.ts";
import type { JournalEvent } from "../model/run-event.ts";
import { type LiveDisplay, makeLiveDisplay } from "./live-display.ts";
import type { Output } from "./output.ts";
import { applyBytes, applyEvent, applyMaking, type RunProgress, readMaking, startProgress } from "./progress.ts";
import { renderProgress } from "./render-progress.ts";
import { renderRunEvent } from "./render-run-event.ts";
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

/** `history` holds what the journal has of open runs, so that one that goes on is shown whole. `now` is the clock's. */
export function watchRun(
  output: Output,
  history: readonly JournalEvent[] = [],
  now: () => number = Date.now,
): RunDisplay {
  const runs = new Map<string, RunProgress>();
  for (const event of history) applyEvent(progressOf(runs, event), event);
  let current: RunProgress | undefined;
  let live: LiveDisplay | undefined;
  let toldAt = Number.NEGATIVE_INFINITY;
  const onScreen = !output.json && output.out.isTTY;

  const show = (lines: readonly Line[], at: number) => {
    if (live) live.print(lines);
    else if (onScreen) output.print(lines);
    else output.print(lines.map((line) => [styled(formatClock(at), "faint"), " ", ...line]));
  };
  const openLive = () => {
    live ??= makeLiveDisplay({
      sink: output.out,
      color: output.color,
      picture: (size) => (current === undefined ? [] : renderProgress(current, { now: now(), size })),
    });
  };
  const closeLive = () => {
    live?.close();
    live = undefined;
  };
  /** A picture moves by itself; lines come now and then. */
  const tellBytes = (title: string, document: Readonly<Record<string, unknown>>, reading: TransferReading) => {
    live?.changed();
    const pauseMs = output.json ? jsonPauseMs : linePauseMs;
    if (onScreen || now() - toldAt < pauseMs) return;
    toldAt = now();
    const { done, total = null, bytesPerSecond, msLeft } = reading;
    if (!output.json) show([[`${title}: ${transferText(reading)}`]], toldAt);
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
      const progress = progressOf(runs, event);
      current = progress;
      applyEvent(progress, event);
      if (output.json) return;
      // What is over in a moment needs no line about its bytes.
      if (event.kind === "step-started") toldAt = now();
      const { lines, lasting } = renderRunEvent(progress, event);
      if (event.kind === "run-ended") closeLive();
      else if (onScreen) openLive();
      if (lines.length > 0 && (lasting || !onScreen)) show(lines, event.at);
      live?.changed();
    },
    onBytes(bytes) {
      if (current === undefined) return;
      applyBytes(current, bytes, now());
      tellBytes("sending", { kind: "bytes", run: current.run }, readMeter(current.transfers, now()));
    },
    onMaking(report) {
      if (current === undefined) return;
      applyMaking(current, report, now());
      const { what } = report;
      const making = current.making.get(what);
      if (making) tellBytes(`making ${what}`, { kind: "making", run: current.run, what }, readMaking(making, now()));
      else live?.changed();
    },
    note(lines) {
      if (!output.json) show(lines, now());
    },
    close: closeLive,
  };
}

function progressOf(runs: Map<string, RunProgress>, event: JournalEvent): RunProgress {
  const known = runs.get(event.stream);
  if (known) return known;
  // One run at a time: an earlier one is not needed any more.
  if (event.kind === "run-planned") runs.clear();
  const progress = startProgress(event.stream.replace(/^run\//, ""), event.at);
  runs.set(event.stream, progress);
  return progress;
}
