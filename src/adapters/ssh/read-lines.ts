// Bytes of a session as lines. The far side is hostile: a line has a cap, lines wait in a bounded buffer behind which the
// stream is paused, and a line that no request asked for is a fault.
import type { Duplex } from "node:stream";
import { maxLineBytes } from "../../host/protocol.ts";
import { linkLost } from "./link-lost.ts";

/** More lines than this wait unread only if they came in one packet. */
const maxWaitingLines = 64;

export interface LineReader {
  /** Aborted with the first fault; it stays that way. */
  readonly broken: AbortSignal;
  fail(error: Error): void;
  /** A request begins: lines are expected from now on. */
  begin(): void;
  /** Its reply is complete: whatever comes before the next one is a fault. */
  finish(): void;
  /** One reader at a time. Silence of `silenceMs`, or the deadline (of `performance.now()`), ends the session. */
  next(wait: { readonly silenceMs: number; readonly deadlineAt: number }): Promise<string>;
}

interface Waiter {
  readonly take: (line: string) => void;
  readonly fail: (error: Error) => void;
}

/** Lines are expected from the start: the greeting comes unasked. */
export function readLines(stream: Duplex, host: string): LineReader {
  const waiting: string[] = [];
  let [partial, expected] = ["", true];
  let waiter: Waiter | undefined;
  const control = new AbortController();
  const broken = control.signal;

  const fail = (error: Error) => {
    if (!broken.aborted) control.abort(error);
    waiting.length = 0;
    partial = "";
    waiter?.fail(broken.reason);
  };
  const lost = (evidence: string) => fail(linkLost(host, evidence));
  const unasked = () => lost("it sent a line that nobody asked for");

  stream.on("data", (chunk: Buffer) => {
    if (broken.aborted) return;
    const lines = (partial + chunk.toString("latin1")).split("\n");
    partial = lines.pop() ?? "";
    if (partial.length > maxLineBytes || lines.some((line) => line.length > maxLineBytes))
      return lost("a line over 64 KiB");
    if (lines.length > 0 && !expected) return unasked();
    for (const line of lines) {
      if (waiter) waiter.take(line);
      else waiting.push(line);
    }
    if (waiting.length >= maxWaitingLines) stream.pause();
  });
  stream.on("error", (error: Error) => lost(error.message));
  stream.on("close", () => lost("the connection was closed"));
  stream.on("end", () => lost("the host ended the session"));

  return {
    broken,
    fail,
    begin() {
      expected = true;
    },
    finish() {
      expected = false;
      if (waiting.length > 0) unasked();
      stream.resume();
    },
    next({ silenceMs, deadlineAt }) {
      const leftMs = deadlineAt - performance.now();
      if (broken.aborted) return Promise.reject(broken.reason);
      if (leftMs <= 0) lost("the answer took too long");
      if (broken.aborted) return Promise.reject(broken.reason);
      const line = waiting.shift();
      if (line !== undefined) return Promise.resolve(line);
      stream.resume();
      return new Promise<string>((resolve, reject) => {
        const timer =
          leftMs < silenceMs
            ? setTimeout(() => lost("the answer took too long"), leftMs)
            : setTimeout(() => lost(`silent for ${silenceMs / 1000} s`), silenceMs);
        const settle =
          <A>(done: (value: A) => void) =>
          (value: A) => {
            clearTimeout(timer);
            waiter = undefined;
            done(value);
          };
        waiter = { take: settle(resolve), fail: settle(reject) };
      });
    },
  };
}
