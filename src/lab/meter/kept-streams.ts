// Connections that stay for the whole measurement, whatever is spoken on them: opened at the start, opened again when they are
// lost, with the messages that wait for an answer.
import type { Failure, FailureReason } from "./failure.ts";
import type { Kind } from "./kind.ts";
import type { Tally } from "./meter-report.ts";

/** What a connection tells; nothing after `lost`. */
export interface StreamListener {
  /** Messages can be sent. */
  ready(): void;
  answered(number: number): void;
  /** Something came that is not right; it stands for no message that was sent. */
  wrong(reason: FailureReason, detail: string): void;
  /** Something right came that was not asked for; `waitedMs` since the one before. */
  came(waitedMs: number): void;
  lost(how: "cut" | "ended", failure: Failure): void;
}

export interface StreamConnection {
  send(number: number): void;
  /** Told nothing after this. */
  close(): void;
}

interface Waiting {
  readonly dueMs: number;
  readonly end: () => void;
  readonly timer: NodeJS.Timeout;
}

const OPEN_AGAIN_AFTER_MS = 50;

export function makeStreamKind(input: {
  readonly connections: number;
  readonly ratePerSecond: number;
  readonly tally: Tally;
  readonly timeoutMs: number;
  readonly open: (listener: StreamListener) => StreamConnection;
}): Kind {
  const { connections, ratePerSecond, tally, timeoutMs } = input;
  const slots = Array.from({ length: connections }, () => makeSlot({ tally, timeoutMs, open: input.open }));
  return {
    ratePerSecond,
    turn: (index, dueMs) => (slots[index % connections] as Slot).say(dueMs),
    close() {
      for (const slot of slots) slot.close();
    },
  };
}

interface Slot {
  say(dueMs: number): Promise<void>;
  close(): void;
}

/** One place for a connection. A message that is due while there is none waits for it. */
function makeSlot(input: {
  readonly tally: Tally;
  readonly timeoutMs: number;
  readonly open: (listener: StreamListener) => StreamConnection;
}): Slot {
  const { tally, timeoutMs } = input;
  const waiting = new Map<number, Waiting>();
  let connection: StreamConnection | undefined;
  let isReady = false;
  let number = 0;
  let closed = false;

  function take(of: number): Waiting | undefined {
    const message = waiting.get(of);
    waiting.delete(of);
    clearTimeout(message?.timer);
    return message;
  }
  function fail(of: number, reason: FailureReason, detail: string): void {
    const message = take(of);
    if (message === undefined) return;
    tally.failed({ reason, detail });
    message.end();
  }
  function open(): void {
    if (closed) return;
    isReady = false;
    const mine = input.open({
      ready() {
        isReady = true;
        tally.streamOpened();
        for (const of of waiting.keys()) mine.send(of);
      },
      answered(of) {
        const message = take(of);
        if (message === undefined) {
          tally.sent();
          tally.failed({ reason: "gap", detail: `an answer to ${of}, which nobody waits for` });
          return;
        }
        tally.right(performance.now() - message.dueMs);
        message.end();
      },
      wrong(reason, detail) {
        tally.sent();
        tally.failed({ reason, detail });
      },
      came(waitedMs) {
        tally.sent();
        tally.right(waitedMs);
      },
      lost(how, failure) {
        if (closed) return;
        if (isReady) tally.streamLost(waiting.size > 0 ? "cut" : how, failure.detail);
        else tally.unaccepted(failure);
        const reason = isReady ? failure.reason : "no-connection";
        for (const of of [...waiting.keys()]) fail(of, reason, failure.detail);
        setTimeout(open, isReady ? 0 : OPEN_AGAIN_AFTER_MS);
        isReady = false;
      },
    });
    connection = mine;
  }
  open();
  return {
    say: (dueMs) =>
      new Promise((end) => {
        number += 1;
        const of = number;
        tally.sent();
        const late = (): void => fail(of, "timeout", `no answer to ${of} within ${timeoutMs} ms`);
        waiting.set(of, { dueMs, end, timer: setTimeout(late, timeoutMs) });
        if (isReady) connection?.send(of);
      }),
    close() {
      closed = true;
      connection?.close();
    },
  };
}
