// Runs that wait for a person, for the next step of one, or for other runs, while `serve` runs: whoever opens a gate, or decides otherwise,
// writes to the run's own journal.
import { decide } from "../run/decide.ts";
import { isLeftToSteps } from "../run/pace.ts";
import { runStream } from "../run/replay.ts";
import type { Controller } from "./controller.ts";
import type { OpenRun, RunPool } from "./run-pool.ts";

const pollMs = 500;

export interface DecisionsInput {
  readonly controller: Pick<Controller, "journal" | "clock">;
  readonly pool: Pick<RunPool, "open">;
  readonly signal: AbortSignal;
  /** Once for each word that somebody leaves. */
  readonly onDecision: () => void;
  /** Once for each time that others have the failure budget free again for a run that waits for them (P9). */
  readonly onFreed: () => void;
}

/** Watches until the signal. A journal that cannot be read now is asked again. */
export async function watchDecisions({ controller, pool, signal, onDecision, onFreed }: DecisionsInput): Promise<void> {
  const { journal, clock } = controller;
  const told = new Map<string, number>();
  let freed = new Set<string>();
  while (!signal.aborted) {
    const free = new Set(pool.open().flatMap((open) => (isGoingOn(open) ? open.run : [])));
    if ([...free].some((run) => !freed.has(run))) onFreed();
    freed = free;
    for (const { run, state, stands, sequence } of pool.open()) {
      if (state !== "waiting" || stands === undefined) continue;
      if (decide(stands)?.kind !== "hold" && !isLeftToSteps(stands)) continue;
      const newest = (await journal.newest(runStream(run)).catch(() => undefined))?.sequence ?? sequence;
      if (newest === sequence || told.get(run) === newest) continue;
      told.set(run, newest);
      onDecision();
    }
    await clock.sleep(pollMs, signal).catch(() => {});
  }
}

/** Somebody who steps through it takes the next step. */
function isGoingOn({ isFreed, stands }: OpenRun): boolean {
  return isFreed && stands !== undefined && !isLeftToSteps(stands);
}
