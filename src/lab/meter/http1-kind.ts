// HTTP/1.1: a connection for each request (new, long), or a few that are kept and used in turn (keep-alive).
import { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { makeBodyJudge } from "./judge-body.ts";
import { type Kind, type KindInput, rateOf } from "./kind.ts";
import { sendRequest } from "./send-request.ts";
import type { LongTraffic, RequestTraffic } from "./traffic.ts";

const KEPT_CONNECTIONS = 4;

export function makeHttp1Kind(input: KindInput<RequestTraffic | LongTraffic>): Kind {
  const { address, traffic, tally } = input;
  const { port, path = "/", tls = false } = traffic;
  const workMs = traffic.kind === "long" ? traffic.workMs : 0;
  const keepAlive = traffic.kind === "keep-alive";
  // fifo: every kept connection is used in turn, so none falls silent for long
  const options = { keepAlive, maxFreeSockets: KEPT_CONNECTIONS, scheduling: "fifo" } as const;
  const agent = tls
    ? new TlsAgent({ ...options, rejectUnauthorized: false, maxCachedSessions: 0 })
    : new Agent(options);
  const judge = makeBodyJudge(traffic.body);
  const timeoutMs = input.timeoutMs + workMs;
  return {
    ratePerSecond: rateOf(traffic),
    async turn(_index, dueMs) {
      tally.sent();
      const { answer, failure } = await sendRequest({
        ...{ address, port, path, tls, agent, timeoutMs },
        client: "cutover-meter",
      });
      if (answer === undefined) return tally.failed(failure ?? { reason: "other", detail: "no answer" });
      const { status, body } = answer;
      if (status < 200 || status > 299)
        return tally.failed({ reason: "non-2xx", detail: `${status} ${body.slice(0, 100).trim()}` });
      const { right, version } = judge(body);
      if (!right) return tally.failed({ reason: "wrong-body", detail: JSON.stringify(body.slice(0, 100)) });
      tally.right(performance.now() - dueMs - workMs, version);
    },
    close: () => agent.destroy(),
  };
}
