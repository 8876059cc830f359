// Connections that stay for the whole measurement, whatever is spoken on them: opened at the start, opened again when they are
// lost, with the messages that wait for an answer. One that is not ready in time was not accepted; one that falls silent is cut.
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

interface StreamInput {
  readonly tally: Tally;
  /** For one answer, and for a connection until it is ready. */
  readonly timeoutMs: number;
  /** The service speaks unasked, at least so often; what is due then has `timeoutMs` more. Without it, it only answers. */
  readonly everyMs?: number;
  readonly open: (listener: StreamListener) => StreamConnection;
}

export function makeStreamKind(
  input: StreamInput & { readonly connections: number; readonly ratePerSecond: number },
): Kind {
  const { connections, ratePerSecond } = input;
  const slots = Array.from({ length: connections }, () => makeSlot(input));
  return {
    ratePerSecond,
    turn: (index, dueMs) => (slots[index % connections] as Slot).say(dueMs),
    async settle() {
      await Promise.all(slots.map((slot) => slot.settle()));
    },
    close() {
      for (const slot of slots) slot.close();
    },
  };
}

interface Slot {
  say(dueMs: number): Promise<void>;
  settle(): Promise<void>;
  close(): void;
}

/** One place for a connection. A message that is due while there is none waits for it. */
function makeSlot(input: StreamInput): Slot {
  const { tally, timeoutMs, everyMs } = input;
  const patienceMs = timeoutMs + (everyMs ?? 0);
  const waiting = new Map<number, Waiting>();
  const settled = Promise.withResolvers<void>();
  let connection: StreamConnection | undefined;
  let isReady = false;
  let heardMs = 0;
  let patience: NodeJS.Timeout | undefined;
  let number = 0;
  let settling = false;
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
  function heard(): void {
    heardMs = performance.now();
    if (everyMs !== undefined) patience?.refresh();
    if (settling) settled.resolve();
  }
  function giveUp(): void {
    connection?.close();
    if (isReady) tally.paused(performance.now() - heardMs);
    const detail = `${isReady ? "nothing came" : "no connection"} within ${patienceMs} ms`;
    lost("cut", { reason: "timeout", detail, unaccepted: !isReady });
  }
  function lost(how: "cut" | "ended", failure: Failure): void {
    if (closed) return;
    clearTimeout(patience);
    const unanswered = how === "ended" && waiting.size > 0 ? `, and ${waiting.size} unanswered` : "";
    if (isReady) tally.streamLost(waiting.size > 0 ? "cut" : how, `${failure.detail}${unanswered}`);
    if (!isReady || failure.unaccepted) tally.unaccepted(failure);
    const reason = isReady ? failure.reason : "no-connection";
    for (const of of [...waiting.keys()]) fail(of, reason, failure.detail);
    setTimeout(open, isReady ? 0 : OPEN_AGAIN_AFTER_MS);
    isReady = false;
    if (settling) settled.resolve();
  }
  function open(): void {
    if (closed) return;
    patience = setTimeout(giveUp, patienceMs);
    const mine = input.open({
      ready() {
        isReady = true;
        heardMs = performance.now();
        if (everyMs === undefined) clearTimeout(patience);
        else patience?.refresh();
        tally.streamOpened();
        for (const of of waiting.keys()) mine.send(of);
      },
      answered(of) {
        heard();
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
        heard();
        tally.sent();
        tally.failed({ reason, detail });
      },
      came(waitedMs) {
        heard();
        tally.sent();
        tally.right(waitedMs);
      },
      lost,
    });
    connection = mine;
  }
  function say(dueMs: number): Promise<void> {
    return new Promise((end) => {
      number += 1;
      const of = number;
      tally.sent();
      const late = (): void => {
        fail(of, "timeout", `no answer to ${of} within ${timeoutMs} ms`);
        if (isReady && heardMs < dueMs) giveUp();
      };
      waiting.set(of, { dueMs, end, timer: setTimeout(late, timeoutMs) });
      if (isReady) connection?.send(of);
    });
  }
  open();
  return {
    say,
    settle() {
      if (everyMs === undefined) return say(performance.now());
      settling = true;
      return settled.promise;
    },
    close() {
      closed = true;
      clearTimeout(patience);
      connection?.close();
    },
  };
}
