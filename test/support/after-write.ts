// Faults at an exact moment: between an event that is on disk and whatever the controller would do next.
import type { JournalEvent } from "../../src/model/run-event.ts";
import type { JournalPort } from "../../src/ports.ts";

/** Thrown by a hook, it ends the controller there: it writes nothing more. */
export const controllerGone = new Error("this controller is gone");

/** For OpenOptions.wrapJournal: the controller goes on only after `hook` has seen each event that was written. */
export function afterWrite(hook: (event: JournalEvent) => Promise<void> | void): (journal: JournalPort) => JournalPort {
  return (journal) => {
    let gone: unknown;
    return {
      ...journal,
      async append(events) {
        if (gone !== undefined) throw gone;
        await journal.append(events);
        try {
          for (const event of events) await hook(event);
        } catch (error) {
          gone = error;
          throw error;
        }
      },
    };
  };
}
