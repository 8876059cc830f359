// Speaks the host protocol over one byte stream: one request at a time, replies as typed lines, a deadline on every wait.
// The far side is hostile input: lines are capped, and anything unexpected ends the session.
import type { Duplex, Readable } from "node:stream";
import { CutoverError, HostRefusedError } from "../../errors.ts";
import {
  encodeRequest,
  type Greeting,
  maxLineBytes,
  parseGreeting,
  parseReply,
  type Reply,
} from "../../host/protocol.ts";

export interface SessionClient {
  readonly greeting: Greeting;
  /** Resolves with the fields of the `ok` line. Throws HostRefusedError on `err`, `link-lost` when the stream ends or stays silent. */
  request(input: SessionRequest): Promise<readonly string[]>;
  close(): void;
}
export interface SessionRequest {
  readonly verb: string;
  readonly args?: readonly string[];
  readonly payload?: Buffer | Readable;
  /** Data lines, in order. */
  readonly onData?: (fields: readonly string[]) => void;
  /** Bytes handed to the transport so far. */
  readonly onSent?: (bytes: number) => void;
  /** Longest silence; heartbeats count as sound. */
  readonly silenceMs?: number;
}

const defaultSilenceMs = 30_000;

interface Waiter {
  readonly take: (line: string) => void;
  readonly fail: (error: Error) => void;
}

/** Waits for the greeting. `end` closes the transport below. */
export async function openSession({
  stream,
  host,
  end,
}: {
  stream: Duplex;
  host: string;
  end: () => void;
}): Promise<SessionClient> {
  const lines = readLines(stream, host);
  const close = () => {
    lines.fail(linkLost(host, "closed by us"));
    stream.end();
    end();
  };
  const greeting = parseGreeting(await lines.next(defaultSilenceMs));
  let nextId = 1;
  let tail: Promise<unknown> = Promise.resolve();

  async function exchange({
    verb,
    args = [],
    payload,
    onData,
    onSent,
    silenceMs = defaultSilenceMs,
  }: SessionRequest): Promise<readonly string[]> {
    const id = nextId++;
    stream.write(encodeRequest(id, verb, ...args));
    if (payload !== undefined)
      await sendPayload({ stream, payload, host, silenceMs, onSent: onSent ?? (() => {}), broken: lines.broken });
    for (;;) {
      const reply: Reply = parseReply(await lines.next(silenceMs));
      if (reply.id !== id) throw linkLost(host, `a reply to request ${reply.id}, expected ${id}`);
      if (reply.kind === "data") onData?.(reply.fields);
      else if (reply.kind === "ok") return reply.fields;
      else
        throw new HostRefusedError({
          host,
          verb,
          hostCode: reply.code,
          reason: reply.reason,
          evidence: reply.evidence,
        });
    }
  }

  return {
    greeting,
    request(input) {
      const result = tail.then(() => exchange(input));
      tail = result.catch((error: unknown) => {
        if (!(error instanceof HostRefusedError)) close();
      });
      return result;
    },
    close,
  };
}

/** Turns chunks into lines, at most `maxLineBytes` long; one reader at a time. */
function readLines(stream: Duplex, host: string) {
  const ready: string[] = [];
  let partial = "";
  let failure: Error | undefined;
  let waiter: Waiter | undefined;
  const broken = new AbortController();
  const fail = (error: Error) => {
    failure ??= error;
    broken.abort(failure);
    waiter?.fail(failure);
  };
  stream.on("data", (chunk: Buffer) => {
    const parts = (partial + chunk.toString("latin1")).split("\n");
    partial = parts.pop() ?? "";
    if (partial.length > maxLineBytes || parts.some((line) => line.length > maxLineBytes))
      return fail(linkLost(host, "a line over 64 KiB"));
    for (const line of parts) {
      if (waiter) waiter.take(line);
      else ready.push(line);
    }
  });
  stream.on("error", (error: Error) => fail(linkLost(host, error.message)));
  stream.on("close", () => fail(linkLost(host, "the connection was closed")));
  stream.on("end", () => fail(linkLost(host, "the host ended the session")));
  return {
    broken: broken.signal,
    fail,
    next(silenceMs: number): Promise<string> {
      const line = ready.shift();
      if (line !== undefined) return Promise.resolve(line);
      if (failure) return Promise.reject(failure);
      return new Promise<string>((resolve, reject) => {
        const timer = setTimeout(() => fail(linkLost(host, `silent for ${silenceMs / 1000} s`)), silenceMs);
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

interface PayloadInput {
  readonly stream: Duplex;
  readonly payload: Buffer | Readable;
  readonly host: string;
  readonly silenceMs: number;
  readonly onSent: (bytes: number) => void;
  readonly broken: AbortSignal;
}

/** Respects back-pressure; a host that takes nothing for `silenceMs` is lost (T6). */
async function sendPayload({ stream, payload, host, silenceMs, onSent, broken }: PayloadInput): Promise<void> {
  let sent = 0;
  const chunks = Buffer.isBuffer(payload) ? [payload] : payload;
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    broken.throwIfAborted();
    if (!stream.write(chunk)) await drained(stream, host, silenceMs, broken);
    sent += chunk.length;
    onSent(sent);
  }
}

function drained(stream: Duplex, host: string, silenceMs: number, broken: AbortSignal): Promise<void> {
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

function linkLost(host: string, evidence: string): CutoverError {
  return new CutoverError({
    code: "link-lost",
    message: `Lost the session with ${host}`,
    evidence,
    disposition: "retry",
    remedy: `cutover host check ${host}`,
  });
}
