// Who watches a run for the command line: a live picture on a terminal, timestamped lines when piped, JSON lines for programs.
import type { RunWatcher } from "../app/execute-run.ts";
import type { JournalEvent } from "../model/run-event.ts";
import { type LiveDisplay, makeLiveDisplay } from "./live-display.ts";
import type { Output } from "./output.ts";
import { applyBytes, applyEvent, type RunProgress, startProgress } from "./progress.ts";
import { renderProgress } from "./render-progress.ts";
import { renderRunEvent } from "./render-run-event.ts";
import { type Line, styled } from "./text.ts";
import { formatClock } from "./units.ts";

export interface RunDisplay extends RunWatcher {
  /** Lines between runs, in the display's own form; nothing in JSON mode. */
  note(lines: readonly Line[]): void;
  /** Gives the terminal back. Call it whichever way the command ends. */
  close(): void;
}

/** `history` holds what the journal has of open runs, so that one that goes on is shown whole. */
export function watchRun(output: Output, history: readonly JournalEvent[] = []): RunDisplay {
  const runs = new Map<string, RunProgress>();
  for (const event of history) applyEvent(progressOf(runs, event), event);
  let current: RunProgress | undefined;
  let live: LiveDisplay | undefined;
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
      picture: (size) => (current === undefined ? [] : renderProgress(current, { now: Date.now(), size })),
    });
  };
  const closeLive = () => {
    live?.close();
    live = undefined;
  };

  return {
    onEvent(event) {
      output.jsonLine(event);
      if (output.json) return;
      const progress = progressOf(runs, event);
      current = progress;
      applyEvent(progress, event);
      const { lines, lasting } = renderRunEvent(progress, event);
      if (event.kind === "run-ended") closeLive();
      else if (onScreen) openLive();
      if (lines.length > 0 && (lasting || !onScreen)) show(lines, event.at);
      live?.changed();
    },
    onBytes(bytes) {
      if (current === undefined) return;
      applyBytes(current, bytes);
      live?.changed();
    },
    note(lines) {
      if (!output.json) show(lines, Date.now());
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
