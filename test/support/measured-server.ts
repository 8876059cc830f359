// A service that speaks every kind of traffic, inside the test's own process, with ways to misbehave.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Traffic } from "../../src/lab/meter/traffic.ts";

export interface MeasuredServer {
  readonly http: HttpServer;
  readonly http2: Http2Server;
  readonly tcp: Server;
  readonly webSockets: Set<Duplex>;
  readonly eventStreams: Set<ServerResponse>;
  /** Long requests that were read and wait for their answer. */
  readonly working: Set<ServerResponse>;
  readonly http2Sessions: Set<ServerHttp2Session>;
  readonly tcpSockets: Set<Socket>;
  /** What is answered to `/` and `/work`; may be replaced at any time. */
  body: () => string;
  /** Streams are kept open and say nothing: no events but comments, and what is asked on them is answered when they speak again. */
  isMute: boolean;
  /** What was asked on streams while they say nothing. */
  unheard: number;
  /** The count that a TCP connection is told, given its own. */
  count: (own: number) => number;
  /** The port of the listener, the same after it was closed and opened again. */
  readonly ports: { readonly http: number; readonly http2: number; readonly tcp: number };
  /** Every kind, as the meter takes it. */
  readonly traffic: readonly Traffic[];
}

export const rightBody = "version (?<version>\\d+), all of it\\n";

export async function withMeasuredServer<T>(body: (server: MeasuredServer) => Promise<T>): Promise<T> {
  const http = createServer();
  const http2 = createHttp2Server();
  const tcp = createTcpServer();
  const ports = { http: await listen(http), http2: await listen(http2), tcp: await listen(tcp) };
  const server: MeasuredServer = {
    ...{ http, http2, tcp, ports },
    webSockets: new Set(),
    eventStreams: new Set(),
    working: new Set(),
    http2Sessions: new Set(),
    tcpSockets: new Set(),
    body: () => "version 1, all of it\n",
    count: (own) => own,
    isMute: false,
    unheard: 0,
    traffic: [
      { kind: "new", port: ports.http, body: rightBody },
      { kind: "long", port: ports.http, path: "/work", workMs: 300, body: rightBody },
      { kind: "keep-alive", port: ports.http, body: rightBody },
      { kind: "http2", port: ports.http2, body: rightBody },
      { kind: "websocket", port: ports.http, path: "/ws" },
      { kind: "sse", port: ports.http, path: "/events", everyMs: 50 },
      { kind: "tcp", port: ports.tcp },
    ],
  };
  http.on("request", (request, response) => answerHttp(server, request, response));
  http.on("upgrade", (request, socket) => answerWebSocket(server, request, socket));
  http2.on("session", (session) => keep(server.http2Sessions, session));
  http2.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200 });
    stream.end(server.body());
  });
  tcp.on("connection", (socket) => answerLines(server, socket));
  try {
    return await body(server);
  } finally {
    for (const one of [http, http2, tcp]) one.close();
    http.closeAllConnections();
    for (const one of [...server.webSockets, ...server.http2Sessions, ...server.tcpSockets]) one.destroy();
  }
}

export async function listen(server: Server | HttpServer | Http2Server, port = 0): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function keep<T extends { on(event: "close", listener: () => void): unknown }>(all: Set<T>, one: T): void {
  all.add(one);
  one.on("close", () => all.delete(one));
}

function answerHttp(server: MeasuredServer, request: IncomingMessage, response: ServerResponse): void {
  if (request.url === "/events") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    keep(server.eventStreams, response);
    let id = 0;
    const timer = setInterval(() => {
      if (server.isMute) return void response.write(": awake\n\n");
      id += 1;
      response.write(`id: ${id}\ndata: an event\n\n`);
    }, 50);
    response.on("close", () => clearInterval(timer));
    return;
  }
  if (request.url === "/work") keep(server.working, response);
  setTimeout(() => response.end(server.body()), request.url === "/work" ? 300 : 0);
}

/** Answers pings; enough of the protocol for that. */
function answerWebSocket(server: MeasuredServer, request: IncomingMessage, socket: Duplex): void {
  keep(server.webSockets, socket);
  socket.on("error", () => {});
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let bytes: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (let size = 6 + ((bytes[1] ?? 0) & 0x7f); bytes.length >= Math.max(size, 6); ) {
      const mask = bytes.subarray(2, 6);
      const payload = Buffer.from(bytes.subarray(6, size).map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
      if (((bytes[0] ?? 0) & 0x0f) === 9)
        whenHeard(server, () => socket.write(Buffer.concat([Buffer.from([0x8a, payload.length]), payload])));
      bytes = bytes.subarray(size);
      size = 6 + ((bytes[1] ?? 0) & 0x7f);
    }
  });
}

function answerLines(server: MeasuredServer, socket: Socket): void {
  keep(server.tcpSockets, socket);
  socket.on("error", () => {});
  let own = 0;
  let rest = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      whenHeard(server, () => {
        own += 1;
        socket.write(`${line} ${server.count(own)}\n`);
      });
    }
  });
}

function whenHeard(server: MeasuredServer, say: () => void): void {
  if (!server.isMute) {
    say();
    return;
  }
  server.unheard += 1;
  const timer = setInterval(() => {
    if (server.isMute) return;
    server.unheard -= 1;
    clearInterval(timer);
    say();
  }, 20).unref();
}
