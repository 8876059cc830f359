// HTTP/2: streams of a few kept connections, in turn. A connection that was told to go away gets no new stream; those that are open
// on it must still be answered, and the next turn makes a new connection.
import { type ClientHttp2Session, constants, connect as openSession } from "node:http2";
import { type Failure, failureOf } from "./failure.ts";
import { makeBodyJudge } from "./judge-body.ts";
import { type Kind, type KindInput, rateOf } from "./kind.ts";
import type { Tally } from "./meter-report.ts";
import { openSocket } from "./tcp-kind.ts";
import type { RequestTraffic } from "./traffic.ts";

const CONNECTIONS = 2;
const LARGEST_BODY = 64 * 1024;
/** Tried for one request that was not sent yet. */
const MOST_CONNECTIONS = 3;
/** As the kernel's own word for it, which comes only after minutes. */
const unconnected = { code: "ETIMEDOUT", syscall: "connect" };

interface Session {
  readonly http2: ClientHttp2Session;
  /** Nothing has come back on it yet. */
  silent: boolean;
  error?: NodeJS.ErrnoException;
}

export function makeHttp2Kind({ address, traffic, tally, timeoutMs }: KindInput<RequestTraffic>): Kind {
  const { port, path = "/", tls = false } = traffic;
  const judge = makeBodyJudge(traffic.body);
  const sessions: Session[] = [];
  const authority = `${tls ? "https" : "http"}://${address.includes(":") ? `[${address}]` : address}:${port}`;
  let closing = false;

  function sessionFor(index: number): Session {
    const place = index % CONNECTIONS;
    const known = sessions[place];
    if (known !== undefined && !known.http2.closed && !known.http2.destroyed) return known;
    const socket = openSocket({ address, port, tls, alpn: "h2" });
    const session: Session = { http2: openSession(authority, { createConnection: () => socket }), silent: true };
    // Who accepts it says so at once, with its settings.
    const deadline = setTimeout(() => {
      session.error = Object.assign(new Error(`no connection within ${timeoutMs} ms`), unconnected);
      session.http2.destroy(session.error);
      socket.destroy(); // which the session leaves to the kernel while it connects
    }, timeoutMs);
    session.http2.on("error", (error: NodeJS.ErrnoException) => {
      session.error = error;
    });
    session.http2.on("remoteSettings", () => {
      clearTimeout(deadline);
      session.silent = false;
      tally.streamOpened();
    });
    session.http2.on("close", () => {
      clearTimeout(deadline);
      if (closing || session.silent) return;
      // Told to go away first or not: streams that were open tell of their own failure, so this alone is no cut.
      tally.streamLost("ended", session.error?.message ?? "the service closed the connection");
    });
    sessions[place] = session;
    return session;
  }

  return {
    ratePerSecond: rateOf(traffic),
    async turn(index, dueMs) {
      tally.sent();
      let result = await sendStream({ session: sessionFor(index), path, timeoutMs });
      // It was told to go away before the request was sent on it: the request is still to be sent, so this is no repetition.
      for (let more = MOST_CONNECTIONS; result.isUnsent && more > 0; more -= 1)
        result = await sendStream({ session: sessionFor(index), path, timeoutMs });
      const { answer, failure } = result;
      if (answer === undefined) return tally.failed(failure);
      if (answer.status < 200 || answer.status > 299)
        return tally.failed({ reason: "non-2xx", detail: `${answer.status} ${answer.body.slice(0, 100).trim()}` });
      const { right, version } = judge(answer.body);
      if (!right) return tally.failed({ reason: "wrong-body", detail: JSON.stringify(answer.body.slice(0, 100)) });
      tally.right(performance.now() - dueMs, version);
    },
    close() {
      closing = true;
      for (const { http2 } of sessions) http2.destroy();
    },
  };
}

type StreamResult =
  | {
      readonly answer: { readonly status: number; readonly body: string };
      readonly failure?: undefined;
      isUnsent?: false;
    }
  | {
      readonly answer?: undefined;
      readonly failure: Parameters<Tally["failed"]>[0];
      /** Nothing of the request has left: the connection was told to go away first. */
      readonly isUnsent: boolean;
    };

/** Always resolves. */
function sendStream(input: { session: Session; path: string; timeoutMs: number }): Promise<StreamResult> {
  const { session, path, timeoutMs } = input;
  return new Promise((resolve) => {
    let status = 0;
    let body = "";
    let whole = false;
    let length: number | undefined;
    let timedOut = false;
    let isUnsent = false;
    let error: NodeJS.ErrnoException | undefined;
    const stream = session.http2.request({ ":path": path, "user-agent": "cutover-meter" });
    const timer = setTimeout(() => {
      timedOut = true;
      stream.close(constants.NGHTTP2_CANCEL);
    }, timeoutMs);
    stream.setEncoding("utf8");
    stream.on("response", (headers) => {
      status = Number(headers[":status"] ?? 0);
      length = headers["content-length"] === undefined ? undefined : Number(headers["content-length"]);
    });
    stream.on("data", (chunk: string) => {
      body += chunk;
      if (body.length > LARGEST_BODY) stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on("end", () => {
      whole = !stream.aborted && (length === undefined || length === Buffer.byteLength(body));
    });
    stream.on("frameError", () => {
      isUnsent = true; // its first frame: the connection was told to go away before that left
    });
    stream.on("error", (broken: NodeJS.ErrnoException) => {
      error = broken;
    });
    stream.on("close", () => {
      clearTimeout(timer);
      if (timedOut)
        resolve({
          failure: { reason: "timeout", detail: `no answer within ${timeoutMs} ms`, unaccepted: session.silent },
          isUnsent: false,
        });
      else if (whole && status > 0 && stream.rstCode === constants.NGHTTP2_NO_ERROR)
        resolve({ answer: { status, body } });
      else
        resolve({
          failure: streamFailure({ session, error, code: stream.rstCode }),
          isUnsent: (isUnsent || stream.id === undefined) && session.error === undefined,
        });
    });
    stream.end();
  });
}

/** The connection's own error says more than that of a stream, which only says that the connection is gone. */
function streamFailure(input: {
  readonly session: Session;
  readonly error: NodeJS.ErrnoException | undefined;
  readonly code: number | undefined;
}): Failure {
  const { session, error, code } = input;
  if (session.error !== undefined) return failureOf(session.error, { silent: session.silent });
  if (code === constants.NGHTTP2_REFUSED_STREAM)
    return {
      reason: "refused-stream",
      detail: "the connection went away before the request was taken",
      unaccepted: false,
    };
  const detail = error === undefined ? `the stream ended with code ${code ?? "none"}` : error.message;
  return { reason: "hang-up", detail, unaccepted: false };
}
