// Gives events their place: stream, sequence and time. One appender a stream, so sequences have no gap.
import type { EventBody, JournalEvent } from "../model/run-event.ts";
import type { Clock, JournalPort } from "../ports.ts";

export interface Appender {
  /** Resolves when the events are on disk, in this order. Concurrent calls are written in the order of the calls. */
  append(...bodies: readonly EventBody[]): Promise<readonly JournalEvent[]>;
}

/** `last` is the sequence of the newest event already in the stream, 0 for a new one. */
export function makeAppender({
  journal,
  clock,
  stream,
  last,
}: {
  journal: JournalPort;
  clock: Clock;
  stream: string;
  last: number;
}): Appender {
  let sequence = last;
  let tail: Promise<unknown> = Promise.resolve();
  return {
    append(...bodies) {
      const events = bodies.map(
        (body) => ({ ...body, stream, sequence: ++sequence, at: clock.now() }) satisfies JournalEvent,
      );
      const written = tail.then(() => journal.append(events));
      tail = written;
      return written.then(() => events);
    },
  };
}
