// From the journal back to a state: what a controller does first after it was killed.
import type { JournalPort } from "../ports.ts";
import { initialRunState, type RunState, reduce } from "./machine.ts";

export const runStream = (run: string): string => `run/${run}`;

/** The state after every event in the journal, and the last sequence for the appender. */
export async function replayRun(
  journal: JournalPort,
  run: string,
): Promise<{ readonly state: RunState; readonly last: number; readonly startedAt: number }> {
  const events = await journal.read(runStream(run));
  const state = events.reduce((before, event) => reduce(before, event, run), initialRunState);
  return { state, last: events.at(-1)?.sequence ?? 0, startedAt: events[0]?.at ?? 0 };
}

/** Runs without an outcome, oldest first. */
export async function openRuns(journal: JournalPort): Promise<string[]> {
  const open: string[] = [];
  for (const stream of await journal.streams("run/")) {
    const run = stream.slice("run/".length);
    const { state } = await replayRun(journal, run);
    if (state.plan !== undefined && state.outcome === undefined) open.push(run);
  }
  return open;
}
