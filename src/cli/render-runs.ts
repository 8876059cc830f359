// Several runs at once: one picture under the other, and what to call each. Pure.
import type { RunProgress } from "./progress.ts";
import { type PictureSize, renderProgress } from "./render-progress.ts";
import { type Line, styled } from "./text.ts";

/** A head, a batch, and what runs now. */
const leastRows = 3;

/** As many of the runs as have room, oldest first, each with its share of the rows; of the others only how many they are. */
export function renderRuns(
  runs: readonly RunProgress[],
  { now, size }: { readonly now: number; readonly size: PictureSize },
): Line[] {
  const [only] = runs;
  if (only === undefined) return [];
  if (runs.length === 1) return renderProgress(only, { now, size });
  const most = Math.max(1, Math.floor((size.rows - 1) / leastRows));
  const shown = runs.slice(0, most);
  const left = runs.length - shown.length;
  const space = size.rows - (left > 0 ? 1 : 0);
  const lines: Line[] = [];
  for (const [index, run] of shown.entries()) {
    // What a short picture leaves is for those after it.
    const rows = Math.floor((space - lines.length) / (shown.length - index));
    lines.push(...renderProgress(run, { now, size: { ...size, rows } }));
  }
  return left > 0 ? [...lines, [styled(`… and ${left} more runs`, "faint")]] : lines;
}

/** The release, and where two runs share one, the end of the run's id as well. */
export function runLabels(runs: readonly RunProgress[]): ReadonlyMap<RunProgress, string> {
  const nameOf = ({ plan, run }: RunProgress) => plan?.release ?? run;
  const unique = [...new Set(runs)];
  return new Map(
    unique.map((progress) => {
      const isShared = unique.some((other) => other !== progress && nameOf(other) === nameOf(progress));
      return [progress, isShared ? `${nameOf(progress)} ${progress.run.slice(-4)}` : nameOf(progress)];
    }),
  );
}
