// Gives events their place: stream, sequence and time. One appender a stream, so sequences have no gap.
import type { EventBody, JournalEvent } from "../model/run-event.ts";
import type { Clock, JournalPort } from "../ports.ts";

export interface Appender {
  /**
   * Resolves when the events are on disk, in this order. Concurrent calls are written in the order of the calls; those of
   * one turn of the event loop share a write, so a hundred hosts that report at once cost one sync. One call is never torn.
   */
  append(...bodies: readonly EventBody[]): Promise<readonly JournalEvent[]>;
}

/** A write holds no more than this and one call: long writes would keep the event loop. */
const eventsAWrite = 500;

/** `last` is the sequence of the newest event already in the stream, 0 for a new one; `turn` gathers what is reported at once. */
export function makeAppender({
  journal,
  clock,
  stream,
  last,
  turn = nextTurn,
}: {
  journal: JournalPort;
  clock: Clock;
  stream: string;
  last: number;
  turn?: () => Promise<void>;
}): Appender {
  let sequence = last;
  let tail: Promise<unknown> = Promise.resolve();
  let open: { readonly events: JournalEvent[]; readonly written: Promise<void> } | undefined;
  const begin = () => {
    const events: JournalEvent[] = [];
    const written = tail.then(turn).then(() => {
      if (open?.events === events) open = undefined;
      return journal.append(events);
    });
    tail = written;
    return { events, written };
  };
  return {
    async append(...bodies) {
      const events = bodies.map(
        (body) => ({ ...body, stream, sequence: ++sequence, at: clock.now() }) satisfies JournalEvent,
      );
      if (open === undefined || open.events.length >= eventsAWrite) open = begin();
      const write = open;
      write.events.push(...events);
      await write.written;
      return events;
    },
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
