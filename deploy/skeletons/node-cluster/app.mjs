// The service, to be replaced by yours: HTTP/1.1 with WebSockets and server-sent events on the first listener, HTTP/2 on the
// second. What matters is `drain`, which keeps every promise that was made to a client.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { Server } from "node:net";
import { acceptWebSocket } from "./websocket.mjs";

const version = readFileSync(new URL("./VERSION", import.meta.url), "utf8").trim();
/** Without a successor, balancers in front get this long to see that this machine is not ready, while it serves as before. */
const NOT_READY_MS = 2_000;
/** A client may be sending on a silent connection right now; closing it that instant would reset its request. */
const IDLE_GRACE_MS = 3_000;
/** HTTP/2 clients that are told to go away may have streams on the way for as long as a round trip takes. */
const GO_AWAY_GRACE_MS = 1_000;
const LONGEST_WORK_MS = 20_000;

export async function startServing([http1Descriptor, http2Descriptor]) {
  const identity = `node-cluster ${version} worker ${process.pid}`;
  const page = `${identity} sum ${createHash("sha256").update(identity).digest("hex").slice(0, 8)}\n`;
  const events = new Set();
  const webSockets = new Set();
  const sessions = new Set();
  let draining = false;
  let ready = true;

  const http1 = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume();
    const url = URL.canParse(request.url, "http://app") ? new URL(request.url, "http://app") : undefined;
    if (url?.pathname === "/ready") return reply(response, ready ? 200 : 503, ready ? "ready\n" : "not ready\n");
    if (url?.pathname === "/events") return sendEvents(response);
    if (url?.pathname !== "/") return reply(response, 404, "no such page\n");
    const ms = Math.min(Math.max(Number(url.searchParams.get("ms")) || 0, 0), LONGEST_WORK_MS);
    if (ms === 0) reply(response, 200, page);
    else setTimeout(reply, ms, response, 200, page);
  });
  http1.on("upgrade", (request, socket) => {
    const webSocket = acceptWebSocket(request, socket);
    if (webSocket === undefined) return;
    webSockets.add(webSocket);
    socket.on("close", () => webSockets.delete(webSocket));
    if (draining) webSocket.close(1001);
  });
  const http2 = createHttp2Server((_request, response) => response.end(page));
  let connection;
  http2.prependListener("connection", (socket) => {
    connection = socket; // its session is made at once; over TLS the event is `secureConnection`
  });
  http2.on("session", (session) => {
    const http2Session = { session, socket: connection };
    sessions.add(http2Session);
    session.on("close", () => sessions.delete(http2Session));
    session.on("error", () => {}); // its streams have failed and were told
    if (draining) goAway(http2Session);
  });

  /** Looks at `draining` when the answer is sent, not when the question came: a long request learns of it too. */
  function reply(response, status, body) {
    response.writeHead(status, {
      "content-type": "text/plain",
      "content-length": Buffer.byteLength(body),
      ...(draining ? { connection: "close" } : {}),
    });
    response.end(body);
  }

  function sendEvents(response) {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    let id = 0;
    const timer = setInterval(() => {
      id += 1;
      response.write(`id: ${id}\ndata: ${version}\n\n`);
    }, 200);
    events.add(response);
    response.on("close", () => {
      clearInterval(timer);
      events.delete(response);
    });
    if (draining) response.end();
  }

  /** Resolves when the last connection is gone. The listeners stay open in whoever has taken over. */
  async function drain({ handedOver }) {
    ready = handedOver; // who asks on a kept connection means this address, where the next version serves
    if (!handedOver) await after(NOT_READY_MS);
    draining = true;
    // http.Server's own close() also destroys idle connections at once; net.Server's only stops accepting.
    const closed = [http1, http2].map((server) => new Promise((done) => Server.prototype.close.call(server, done)));
    for (const http2Session of sessions) goAway(http2Session);
    // A WebSocket closes with 1001, "going away", an event stream at the end of an event: both clients come again at once.
    for (const webSocket of webSockets) webSocket.close(1001);
    for (const response of events) response.end();
    // After what has come meanwhile was read: had this process stood still so long, a request would wait here.
    setTimeout(() => setImmediate(() => http1.closeIdleConnections()), IDLE_GRACE_MS);
    await Promise.all(closed);
  }

  await Promise.all([
    new Promise((done) => http1.listen({ fd: http1Descriptor }, done)),
    new Promise((done) => http2.listen({ fd: http2Descriptor }, done)),
  ]);
  return { drain };
}

/** GOAWAY with the highest stream there can be, and no error. */
const warning = Buffer.from("0000080700000000007fffffff00000000", "hex");

/**
 * First the warning, which stops no stream that is on the way, then GOAWAY with the last one that is answered (RFC 9113, 6.8).
 * Written as bytes, because after its own `goaway()` Node refuses what is on the way; it writes whole frames, so these fit between.
 * Node writes its SETTINGS a little after `session`, and to a client whatever comes before them is an error (3.4), which costs it
 * every stream: so the warning waits until the client has acknowledged them. Who never does hears the second one only.
 */
function goAway({ session, socket }) {
  const close = () => session.destroyed || session.close();
  const warn = () => {
    if (session.closed || session.destroyed) return;
    socket.write(warning);
    setTimeout(close, GO_AWAY_GRACE_MS);
  };
  if (!session.pendingSettingsAck) return warn();
  session.once("localSettings", warn);
  setTimeout(() => session.pendingSettingsAck && close(), IDLE_GRACE_MS);
}

function after(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
