// The journal of a simulated controller: what was acknowledged stays, a gap or a repeat is refused, and the process may die at
// any write, before it is on disk or just after.
import { CutoverError } from "../errors.ts";
import type { JournalEvent } from "../model/run-event.ts";
import type { JournalPort } from "../ports.ts";
import type { SimProcess } from "./process.ts";

/** What is on disk, whoever writes. */
export interface JournalDisk {
  readonly streams: Map<string, JournalEvent[]>;
  writes: number;
}

export interface MemoryJournalInput {
  readonly disk: JournalDisk;
  readonly process: SimProcess;
  readonly writeMs: () => number;
  /** The n-th write, which is about to happen, or has just happened. May kill the process. */
  readonly onWrite: (write: number, moment: "before" | "after") => void;
  /** Every event, once it is on disk. */
  readonly onEvent: (event: JournalEvent) => void;
}

export function makeJournalDisk(): JournalDisk {
  return { streams: new Map(), writes: 0 };
}

/** Reads give copies' worth: events are never changed by anybody. */
export function makeMemoryJournal({ disk, process, writeMs, onWrite, onEvent }: MemoryJournalInput): JournalPort {
  const of = (stream: string) => disk.streams.get(stream) ?? [];
  const read = <T>(look: () => T): Promise<T> => process.wait(0, look);
  return {
    append(events) {
      return process.wait(events.length === 0 ? 0 : writeMs(), () => {
        if (events.length === 0) return;
        const write = ++disk.writes;
        onWrite(write, "before");
        if (!process.isAlive()) return;
        const places = new Map<string, number>();
        for (const { stream, sequence } of events) {
          const last = places.get(stream) ?? of(stream).length;
          // guard P6: two writers of one stream would tear it; the second one hears of it.
          if (sequence !== last + 1)
            throw new CutoverError({ code: "journal-taken", message: `${stream}: sequence ${sequence} after ${last}` });
          places.set(stream, sequence);
        }
        for (const event of events) {
          const kept = asOnDisk(event);
          const stream = disk.streams.get(event.stream);
          if (stream === undefined) disk.streams.set(event.stream, [kept]);
          else stream.push(kept);
          onEvent(kept);
        }
        onWrite(write, "after");
      });
    },
    read: (stream, kinds) => read(() => of(stream).filter(({ kind }) => kinds?.includes(kind) ?? true)),
    newest: (stream) => read(() => of(stream).at(-1)),
    tail: (stream, count) => read(() => (count > 0 ? of(stream).slice(-count) : [])),
    streams: (prefix) => read(() => [...disk.streams.keys()].filter((name) => name.startsWith(prefix))),
    close: () => read(() => undefined),
  };
}

/** What a database gives back. Most events by far are of tasks: words and numbers only, which come back as they are. */
function asOnDisk(event: JournalEvent): JournalEvent {
  return event.kind === "task" ? event : (JSON.parse(JSON.stringify(event)) as JournalEvent);
}
