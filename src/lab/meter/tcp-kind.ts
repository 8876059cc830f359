// Raw TCP with sequence numbers; see TcpTraffic for what is said.
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { failureOf } from "./failure.ts";
import { makeStreamKind, type StreamConnection, type StreamListener } from "./kept-streams.ts";
import { type Kind, type KindInput, rateOf } from "./kind.ts";
import type { TcpTraffic } from "./traffic.ts";

const CONNECTIONS = 4;
const LONGEST_LINE = 4096;

export function makeTcpKind({ address, traffic, tally, timeoutMs }: KindInput<TcpTraffic>): Kind {
  return makeStreamKind({
    connections: traffic.connections ?? CONNECTIONS,
    ratePerSecond: rateOf(traffic),
    tally,
    timeoutMs,
    open: (listener) => openCounting(openSocket({ address, ...traffic }), listener),
  });
}

export function openSocket(input: { address: string; port: number; tls?: boolean; alpn?: string }): Socket {
  const { address, port, tls = false, alpn } = input;
  const protocols = alpn === undefined ? {} : { ALPNProtocols: [alpn] };
  const socket = tls
    ? connectTls({ host: address, port, rejectUnauthorized: false, ...protocols })
    : connect({ host: address, port });
  return socket.setNoDelay(true);
}

/** Tells the listener of the socket's end, once: with an error it is cut, after the other side's FIN alone it has ended. */
export function watchEnd(socket: Socket, listener: StreamListener, isSilent: () => boolean): void {
  let error: NodeJS.ErrnoException | undefined;
  socket.on("error", (broken) => {
    error = broken;
  });
  socket.on("close", () => {
    if (error !== undefined) listener.lost("cut", failureOf(error, { silent: isSilent() }));
    else listener.lost("ended", { reason: "hang-up", detail: "the service closed it", unaccepted: false });
  });
}

function openCounting(socket: Socket, listener: StreamListener): StreamConnection {
  let silent = true;
  let rest = "";
  let lastCount: number | undefined;
  let done = false;
  const told: StreamListener = { ...listener, lost: (how, failure) => done || listener.lost(how, failure) };
  watchEnd(socket, told, () => silent);
  socket.setEncoding("utf8");
  socket.once(socket.constructor.name === "TLSSocket" ? "secureConnect" : "connect", () => listener.ready());
  socket.on("data", (text: string) => {
    silent = false;
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LONGEST_LINE) socket.destroy(new Error("a line without an end"));
    for (const line of lines) readLine(line);
  });
  function readLine(line: string): void {
    const [, number, count] = /^(\d{1,15})(?: (\d{1,15}))?\b/.exec(line) ?? [];
    if (number === undefined) {
      listener.wrong("wrong-body", JSON.stringify(line.slice(0, 100)));
      return;
    }
    if (count !== undefined) {
      if (lastCount !== undefined && Number(count) !== lastCount + 1)
        listener.wrong("gap", `the connection's count went from ${lastCount} to ${count}`);
      lastCount = Number(count);
    }
    listener.answered(Number(number));
  }
  return {
    send: (number) => socket.write(`${number}\n`),
    close() {
      done = true;
      socket.destroy();
    },
  };
}
