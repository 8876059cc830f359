// The events of a step as a pulled iteration over pushed lines: the caller's journal write slows the reading down, and a
// caller that leaves early takes the session with it, so that the way back does not queue behind it.
import { RefusedError } from "../../errors.ts";
import { isHeartbeat, parseTaskEvent } from "../../host/protocol.ts";
import type { Host } from "../../model/fleet.ts";
import type { TaskEvent } from "../../model/task.ts";

/** Events that wait for the caller; the host waits with more. */
const maxQueued = 64;

export interface ReadEventsInput {
  readonly host: Host;
  readonly step: string;
  /** Asks the host, hands over its data lines, resolves with the fields of its `ok`. */
  readonly run: (onData: (fields: readonly string[]) => void | Promise<void>) => Promise<readonly string[]>;
  /** Ends the session that `run` uses, so that `run` settles. */
  readonly leave: () => void;
}

export async function* readEvents({ host, step, run, leave }: ReadEventsInput): AsyncGenerator<TaskEvent, void> {
  const queue: TaskEvent[] = [];
  let [wake, makeRoom] = [() => {}, () => {}];
  let result: { readonly fields: readonly string[] } | { readonly error: unknown } | undefined;
  const settled = run((fields) => {
    if (isHeartbeat(fields)) return;
    queue.push(parseTaskEvent(fields).event);
    wake();
    if (queue.length >= maxQueued)
      return new Promise<void>((resolve) => {
        makeRoom = resolve;
      });
  }).then(
    (fields) => {
      result = { fields };
      wake();
    },
    (error: unknown) => {
      result = { error };
      wake();
    },
  );
  try {
    for (;;) {
      const event = queue.shift();
      if (event) {
        makeRoom();
        yield event;
      } else if (result === undefined)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      else if ("error" in result) throw result.error;
      else if (result.fields[0] === "ended") return;
      else throw stepLost(host, step);
    }
  } finally {
    if (result === undefined) leave();
    makeRoom();
    await settled;
  }
}

function stepLost(host: Host, step: string): RefusedError {
  return new RefusedError({
    code: "step-lost",
    message: `${host.name} has no result for ${step}, and nothing there is working on it`,
    impact: "Its tasks may or may not have run; the way back undoes both",
    remedy: `cutover host check ${host.name}`,
  });
}
