// What the journal has of the runs that are still open: a display needs their plans when they go on.
import type { JournalEvent } from "../model/run-event.ts";
import type { OpenedJournal } from "./services.ts";

/** Run after run; empty when all have ended. */
export async function openRunHistory(journal: OpenedJournal["journal"]): Promise<readonly JournalEvent[]> {
  const found: JournalEvent[] = [];
  for (const stream of await journal.streams("run/"))
    if ((await journal.newest(stream))?.kind !== "run-ended") found.push(...(await journal.read(stream)));
  return found;
}
