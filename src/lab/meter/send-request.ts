// One HTTP/1.1 request: sent once, never retried, ended by its deadline, told apart by how it failed.
import { type Agent, type IncomingHttpHeaders, request as overTcp } from "node:http";
import { request as overTls } from "node:https";
import { type Failure, failureOf } from "./failure.ts";

const LARGEST_BODY = 64 * 1024;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface RequestInput {
  readonly address: string;
  readonly port: number;
  readonly path: string;
  readonly tls?: boolean;
  /** Of the protocol that `tls` says. */
  readonly agent: Agent;
  readonly timeoutMs: number;
  /** Named to the service as user agent. */
  readonly client: string;
}

/** Always resolves: a failure is a result here. A whole answer is an answer, whatever its status. */
export function sendRequest(input: RequestInput): Promise<{ answer?: Answer; failure?: Failure }> {
  return new Promise((resolve) => {
    const { address: host, port, path, agent, timeoutMs } = input;
    const headers = { "user-agent": input.client };
    const tls = { rejectUnauthorized: false };
    let timedOut = false;
    let silent = true;
    const request = input.tls
      ? overTls({ host, port, path, agent, headers, ...tls })
      : overTcp({ host, port, path, agent, headers });
    let secured = false;
    request.on("socket", (socket) => {
      if (input.tls !== true || request.reusedSocket) return;
      socket.once("secureConnect", () => {
        secured = true;
      });
    });
    let unaccepted = false;
    const timer = setTimeout(() => {
      timedOut = true;
      // The kernel took no notice of it: nobody accepts, and the queue of the listener is full. Or nobody speaks TLS with it.
      const unspoken = input.tls === true && !secured && !request.reusedSocket;
      unaccepted = (request.socket?.connecting ?? false) || unspoken;
      request.destroy(new Error("timeout"));
    }, timeoutMs);
    const end = (result: { answer?: Answer; failure?: Failure }): void => {
      clearTimeout(timer);
      resolve(result);
    };
    const broken = (error: NodeJS.ErrnoException): void => {
      const late: Failure = { reason: "timeout", detail: `no answer within ${timeoutMs} ms`, unaccepted };
      end({ failure: timedOut ? late : failureOf(error, { silent: silent && !request.reusedSocket }) });
    };
    request.on("error", broken);
    request.on("response", (response) => {
      silent = false;
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
        if (body.length > LARGEST_BODY) request.destroy(new Error("body too large"));
      });
      response.on("error", broken);
      response.on("end", () => end({ answer: { status: response.statusCode ?? 0, headers: response.headers, body } }));
    });
    request.end();
  });
}
