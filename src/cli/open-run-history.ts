// What the journal has of the newest run when it is still open: a display needs its plan when the run goes on.
import type { JournalEvent } from "../model/run-event.ts";
import type { OpenedJournal } from "./services.ts";

/** Empty when the newest run has ended, or there is none. */
export async function openRunHistory(journal: OpenedJournal["journal"]): Promise<readonly JournalEvent[]> {
  const newest = (await journal.streams("run/")).at(-1);
  if (newest === undefined) return [];
  const events = await journal.read(newest);
  return events.some(({ kind }) => kind === "run-ended") ? [] : events;
}
