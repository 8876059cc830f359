// Speaks the host protocol over one byte stream: one request at a time, replies as typed lines, a deadline on every wait.
// The far side is hostile input: every answer has a total time, a number of lines and of bytes, and anything unexpected ends
// the session.
import type { Duplex, Readable } from "node:stream";
import { HostRefusedError } from "../../errors.ts";
import { encodeRequest, type Greeting, parseGreeting, parseReply, type Reply } from "../../host/protocol.ts";
import { linkLost } from "./link-lost.ts";
import { readLines } from "./read-lines.ts";
import { sendPayload } from "./send-payload.ts";

export interface SessionClient {
  readonly greeting: Greeting;
  /** Resolves with the fields of the `ok` line. Throws HostRefusedError on `err`, `link-lost` when the stream ends, stays silent or says too much. */
  request(input: SessionRequest): Promise<readonly string[]>;
  close(): void;
}
export interface SessionRequest {
  readonly verb: string;
  readonly args?: readonly string[];
  readonly payload?: Buffer | Readable | AsyncIterable<Buffer>;
  /** Data lines, in order; nothing more is read until what it returns has resolved. */
  readonly onData?: (fields: readonly string[]) => void | Promise<void>;
  /** Bytes handed to the transport so far. */
  readonly onSent?: (bytes: number) => void;
  /** Longest silence; heartbeats count as sound. */
  readonly silenceMs?: number;
  /** From the request to its last line, payload included; nothing that the host says extends it. */
  readonly deadlineMs?: number;
  readonly maxLines?: number;
  readonly maxBytes?: number;
}

const defaultSilenceMs = 30_000;
export const defaultAnswerMs = 120_000;
const defaultMaxLines = 1_000;
const defaultMaxBytes = 1024 * 1024;

/** Waits for the greeting. `end` closes the transport below; it is also called when the greeting is none. */
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
  const greeting = await greet().catch((error: unknown) => {
    close();
    throw error;
  });
  let nextId = 1;
  let tail: Promise<unknown> = Promise.resolve();

  async function greet(): Promise<Greeting> {
    const line = await lines.next({ silenceMs: defaultSilenceMs, deadlineAt: performance.now() + defaultSilenceMs });
    lines.finish();
    return parseGreeting(line);
  }

  async function exchange({
    verb,
    args = [],
    payload,
    onData,
    onSent = () => {},
    silenceMs = defaultSilenceMs,
    deadlineMs = defaultAnswerMs,
    maxLines = defaultMaxLines,
    maxBytes = defaultMaxBytes,
  }: SessionRequest): Promise<readonly string[]> {
    const id = nextId++;
    const deadlineAt = performance.now() + deadlineMs;
    lines.broken.throwIfAborted();
    lines.begin();
    stream.write(encodeRequest(id, verb, ...args));
    if (payload !== undefined)
      await sendPayload({ stream, payload, host, silenceMs, deadlineAt, onSent, broken: lines.broken });
    let bytes = 0;
    for (let count = 1; count <= maxLines + 1; count += 1) {
      const line = await lines.next({ silenceMs, deadlineAt });
      bytes += line.length + 1;
      if (bytes > maxBytes) throw linkLost(host, `${verb} was answered with over ${maxBytes} bytes`);
      const reply: Reply = parseReply(line);
      if (reply.id !== id) throw linkLost(host, `a reply to request ${reply.id}, expected ${id}`);
      if (reply.kind === "data") {
        await onData?.(reply.fields);
        continue;
      }
      lines.finish();
      if (reply.kind === "ok") return reply.fields;
      const { code: hostCode, reason, evidence } = reply;
      throw new HostRefusedError({ host, verb, hostCode, reason, evidence });
    }
    throw linkLost(host, `${verb} was answered with over ${maxLines} lines`);
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
