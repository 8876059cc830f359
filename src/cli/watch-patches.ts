// Patches while they are made: one moving row on a terminal, a line now and then when piped, nothing beside JSON.
import { type LiveDisplay, makeLiveDisplay } from "./live-display.ts";
import type { Output } from "./output.ts";
import type { Line } from "./text.ts";
import { timeLeft, transferText } from "./transfer-meter.ts";

/** What is over sooner needs no line. */
const linePauseMs = 5_000;
/** A rate before that is a guess. */
const leastMs = 1_000;

export interface PatchDisplay {
  onProgress(progress: { readonly what: string; readonly done: number; readonly total: number }): void;
  /** Gives the terminal back. */
  close(): void;
}

export function watchPatches(output: Output, now: () => number = Date.now): PatchDisplay {
  let live: LiveDisplay | undefined;
  let current = { what: "", done: 0, total: 0, since: now() };
  let toldAt = now();

  const row = (): Line => {
    const { what, done, total, since } = current;
    const elapsedMs = now() - since;
    const bytesPerSecond = elapsedMs < leastMs || done === 0 ? undefined : (done * 1_000) / elapsedMs;
    const reading = { done, total: Math.max(done, total), bytesPerSecond };
    return [`making ${what}: ${transferText({ ...reading, msLeft: timeLeft(reading) })}`];
  };
  return {
    onProgress({ what, done, total }) {
      if (output.json) return;
      const isNext = what !== current.what;
      current = { what, done, total, since: isNext ? now() : current.since };
      if (isNext) toldAt = now();
      if (output.out.isTTY) {
        live ??= makeLiveDisplay({ sink: output.out, color: output.color, picture: () => [row()] });
        live.changed();
      } else if (now() - toldAt >= linePauseMs) {
        toldAt = now();
        output.print([row()]);
      }
    },
    close: () => live?.close(),
  };
}
