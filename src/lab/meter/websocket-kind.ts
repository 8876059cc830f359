// WebSocket (RFC 6455), as much of it as a client needs that sends small messages or pings: Node's own client sends no pings.
import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { makeStreamKind, type StreamConnection, type StreamListener } from "./kept-streams.ts";
import { type Kind, type KindInput, rateOf } from "./kind.ts";
import { openSocket, watchEnd } from "./tcp-kind.ts";
import type { WebSocketTraffic } from "./traffic.ts";
import { type Frame, maskedFrame, opcodes, readFrames } from "./websocket-frame.ts";

const CONNECTIONS = 4;
const LARGEST_HEAD = 16 * 1024;
/** Of the protocol: what a service proves with that it understood the question. */
const HANDSHAKE = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export function makeWebSocketKind({ address, traffic, tally, timeoutMs }: KindInput<WebSocketTraffic>): Kind {
  return makeStreamKind({
    connections: traffic.connections ?? CONNECTIONS,
    ratePerSecond: rateOf(traffic),
    tally,
    timeoutMs,
    open: (listener) => openWebSocket({ address, traffic, listener }),
  });
}

function openWebSocket(input: {
  readonly address: string;
  readonly traffic: WebSocketTraffic;
  readonly listener: StreamListener;
}): StreamConnection {
  const { traffic, listener } = input;
  const { echo = false, tls = false, path = "/" } = traffic;
  const socket = openSocket({ address: input.address, port: traffic.port, tls });
  const key = randomBytes(16).toString("base64");
  let bytes: Buffer = Buffer.alloc(0);
  let open = false;
  let silent = true;
  let done = false;
  /** The service said goodbye: what follows is an end and no cut. */
  let farewell = "";
  const told: StreamListener = {
    ...listener,
    lost(how, failure) {
      if (done) return;
      done = true;
      const unsaid = how === "ended" ? "it closed the connection without a close frame" : failure.detail;
      listener.lost(farewell === "" ? "cut" : how, { ...failure, detail: farewell || unsaid });
    },
  };
  watchEnd(socket, told, () => silent);
  socket.once(tls ? "secureConnect" : "connect", () => socket.write(upgradeRequest({ ...input, path, key })));
  socket.on("data", (chunk: Buffer) => {
    silent = false;
    bytes = Buffer.concat([bytes, chunk]);
    if (!open) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) {
        if (bytes.length > LARGEST_HEAD) socket.destroy(new Error("an answer without an end"));
        return;
      }
      const head = bytes.subarray(0, end).toString("latin1");
      bytes = bytes.subarray(end + 4);
      if (!isUpgrade(head, key)) return void socket.destroy(new Error(`no WebSocket: ${head.split("\r\n")[0]}`));
      open = true;
      listener.ready();
    }
    const { frames, rest, problem } = readFrames(bytes);
    bytes = rest;
    for (const frame of frames) hear(frame);
    if (problem !== undefined) socket.destroy(new Error(problem));
  });
  function hear({ opcode, payload }: Frame): void {
    const text = payload.toString("utf8");
    if (opcode === opcodes.ping) write(socket, opcodes.pong, payload);
    else if (opcode === opcodes.close) {
      farewell = `closed with ${payload.length >= 2 ? payload.readUInt16BE(0) : "no code"}`;
      write(socket, opcodes.close, payload.subarray(0, 2));
      socket.end();
    } else if (opcode === (echo ? opcodes.text : opcodes.pong)) {
      if (/^\d{1,15}$/.test(text)) listener.answered(Number(text));
      else listener.wrong("wrong-body", JSON.stringify(text.slice(0, 100)));
    }
  }
  return {
    send: (number) => write(socket, echo ? opcodes.text : opcodes.ping, Buffer.from(String(number))),
    close() {
      done = true;
      socket.destroy();
    },
  };
}

function write(socket: Socket, opcode: number, payload: Buffer): void {
  if (!socket.destroyed && socket.writable) socket.write(maskedFrame({ opcode, payload, mask: randomBytes(4) }));
}

function upgradeRequest(input: { address: string; traffic: { port: number }; path: string; key: string }): string {
  return [
    `GET ${input.path} HTTP/1.1`,
    `Host: ${input.address}:${input.traffic.port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${input.key}`,
    "Sec-WebSocket-Version: 13",
    "User-Agent: cutover-meter",
    "\r\n",
  ].join("\r\n");
}

function isUpgrade(head: string, key: string): boolean {
  const accept = createHash("sha1").update(`${key}${HANDSHAKE}`).digest("base64");
  const accepted = head
    .split("\r\n")
    .some((line) => /^sec-websocket-accept:/i.test(line) && line.slice(21).trim() === accept);
  return head.startsWith("HTTP/1.1 101 ") && accepted;
}
