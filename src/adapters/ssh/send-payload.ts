// The bytes that follow a request line. Respects back-pressure; a host that takes nothing is lost (T6).
import type { Duplex, Readable } from "node:stream";
import { linkLost } from "./link-lost.ts";

export interface PayloadInput {
  readonly stream: Duplex;
  readonly payload: Buffer | Readable | AsyncIterable<Buffer>;
  readonly host: string;
  /** Longest time without a byte taken. */
  readonly silenceMs: number;
  /** Of `performance.now()`. */
  readonly deadlineAt: number;
  readonly onSent: (bytes: number) => void;
  readonly broken: AbortSignal;
}

export async function sendPayload(input: PayloadInput): Promise<void> {
  const { stream, payload, host, silenceMs, deadlineAt, onSent, broken } = input;
  let sent = 0;
  const chunks = Buffer.isBuffer(payload) ? [payload] : payload;
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    broken.throwIfAborted();
    if (performance.now() > deadlineAt) throw linkLost(host, "it took the bytes too slowly");
    if (!stream.write(chunk)) await drained({ stream, host, silenceMs, broken });
    sent += chunk.length;
    onSent(sent);
  }
}

function drained({
  stream,
  host,
  silenceMs,
  broken,
}: Omit<PayloadInput, "payload" | "onSent" | "deadlineAt">): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => () => {
      clearTimeout(timer);
      stream.off("drain", onDrain);
      broken.removeEventListener("abort", onBroken);
      done();
    };
    const onDrain = settle(resolve);
    const onBroken = settle(() => reject(broken.reason));
    const timer = setTimeout(
      settle(() => reject(linkLost(host, `took no bytes for ${silenceMs / 1000} s`))),
      silenceMs,
    );
    stream.once("drain", onDrain);
    broken.addEventListener("abort", onBroken, { once: true });
    if (broken.aborted) onBroken();
  });
}
