// From the journal back to a state: what a controller does first after it was killed.
import type { JournalPort } from "../ports.ts";
import { reduce } from "./machine.ts";
import { initialRunState, type RunState } from "./run-state.ts";

export const runStream = (run: string): string => `run/${run}`;

/** The state after every event in the journal, and the last sequence for the appender. */
export async function replayRun(
  journal: JournalPort,
  run: string,
): Promise<{ readonly state: RunState; readonly last: number }> {
  const events = await journal.read(runStream(run));
  const state = events.reduce((before, event) => reduce(before, event, run), initialRunState);
  return { state, last: events.at(-1)?.sequence ?? 0 };
}

/** Runs without an outcome, oldest first. One that waits keeps no other from starting: any number of newer ones may have ended. */
export async function openRuns(journal: JournalPort): Promise<string[]> {
  const open: string[] = [];
  for (const stream of await journal.streams("run/")) {
    const run = stream.slice("run/".length);
    // Nothing comes after a run's end: one row tells, and the thousands before it stay unread.
    if ((await journal.newest(stream))?.kind === "run-ended") continue;
    const { state } = await replayRun(journal, run);
    // guard P6: what is open is taken up, and what has ended is not begun again.
    if (state.plan !== undefined && state.outcome === undefined) open.push(run);
  }
  return open;
}
