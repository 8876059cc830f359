// Server-sent events: connections that stay, on which the service alone speaks.
import { Agent, type IncomingMessage, request as overTcp } from "node:http";
import { request as overTls, Agent as TlsAgent } from "node:https";
import { failureOf } from "./failure.ts";
import { makeStreamKind, type StreamConnection, type StreamListener } from "./kept-streams.ts";
import { type Kind, type KindInput, rateOf } from "./kind.ts";
import type { EventTraffic } from "./traffic.ts";

const CONNECTIONS = 4;
const LARGEST_EVENT = 64 * 1024;

export function makeSseKind({ address, traffic, tally, timeoutMs }: KindInput<EventTraffic>): Kind {
  return makeStreamKind({
    connections: traffic.connections ?? CONNECTIONS,
    ratePerSecond: rateOf(traffic),
    tally,
    timeoutMs,
    everyMs: traffic.everyMs,
    open: (listener) => openEvents({ address, traffic, listener }),
  });
}

function openEvents(input: {
  readonly address: string;
  readonly traffic: EventTraffic;
  readonly listener: StreamListener;
}): StreamConnection {
  const { address: host, listener } = input;
  const { port, path, tls = false } = input.traffic;
  const options = { host, port, path, headers: { accept: "text/event-stream", "user-agent": "cutover-meter" } };
  const request = tls
    ? overTls({ ...options, agent: new TlsAgent(), rejectUnauthorized: false })
    : overTcp({ ...options, agent: new Agent() });
  let over = false;
  let silent = true;
  const lost = (how: "cut" | "ended", error: NodeJS.ErrnoException): void => {
    if (over) return;
    over = true;
    listener.lost(how, failureOf(error, { silent }));
  };
  request.on("error", (error) => lost("cut", error));
  request.on("response", (response) => {
    silent = false;
    const type = response.headers["content-type"] ?? "";
    if (response.statusCode !== 200 || !type.startsWith("text/event-stream"))
      return request.destroy(new Error(`it answered ${response.statusCode} ${type}`));
    listener.ready();
    readEvents({ response, listener });
    response.on("error", (error) => lost("cut", error));
    response.on("end", () => lost("ended", new Error("the service ended it")));
  });
  request.end();
  return {
    send() {},
    close() {
      over = true;
      request.destroy();
    },
  };
}

/** An event without a number is right when it comes; one with a number must be the next one. */
function readEvents({ response, listener }: { response: IncomingMessage; listener: StreamListener }): void {
  let rest = "";
  let lastId: number | undefined;
  let lastMs: number | undefined;
  response.setEncoding("utf8");
  response.on("data", (text: string) => {
    const events = (rest + text.replaceAll("\r\n", "\n")).split("\n\n");
    rest = events.pop() ?? "";
    if (rest.length > LARGEST_EVENT) response.destroy(new Error("an event without an end"));
    for (const event of events) {
      if (!/^(?:data|id|event):/m.test(event)) continue; // a comment, as services send to keep a stream awake
      const id = /^id: ?(\d{1,15})$/m.exec(event)?.[1];
      const now = performance.now();
      const waitedMs = lastMs === undefined ? 0 : now - lastMs;
      lastMs = now;
      const missing = id !== undefined && lastId !== undefined && Number(id) !== lastId + 1;
      if (missing) listener.wrong("gap", `after event ${lastId} came ${id}`);
      else listener.came(waitedMs);
      if (id !== undefined) lastId = Number(id);
    }
  });
}
