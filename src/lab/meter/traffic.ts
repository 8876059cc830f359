// What the meter can send: the kinds of traffic that clients of a service have, and where and how often. Plain data, so that it
// goes to the meter's process as JSON.

/**
 * new: a connection for each request. long: the service works on each one for `workMs`. keep-alive: a few kept HTTP/1.1
 * connections. http2: streams of a few kept connections. websocket, sse, tcp: a few connections that stay for the whole
 * measurement; losing one is a cut stream.
 */
export const trafficKinds = ["new", "long", "keep-alive", "http2", "websocket", "sse", "tcp"] as const;
export type TrafficKind = (typeof trafficKinds)[number];

interface Anywhere {
  readonly port: number;
  /** Over TLS; whatever certificate the service shows is taken. For http2 without it: cleartext, by prior knowledge. */
  readonly tls?: boolean;
  /** Requests, or messages over all connections together, a second. Each kind has a default of its own. */
  readonly ratePerSecond?: number;
}

export interface RequestTraffic extends Anywhere {
  readonly kind: "new" | "keep-alive" | "http2";
  /** `/` unless it says otherwise. */
  readonly path?: string;
  /**
   * Regular expression that a right body matches whole. A group `version` in it tells who answered. Groups `text` and `sum`:
   * the first eight hex digits of the SHA-256 of `text` must be `sum`, so that a cut or mixed answer cannot pass. Without a
   * pattern any whole 2xx answer is right.
   */
  readonly body?: string;
}

export interface LongTraffic extends Omit<RequestTraffic, "kind"> {
  readonly kind: "long";
  /** What the service takes for an answer of this path; it is no pause. */
  readonly workMs: number;
}

export interface WebSocketTraffic extends Anywhere {
  readonly kind: "websocket";
  readonly path?: string;
  readonly connections?: number;
  /** The service sends every text message back as it is; without it the meter sends pings, which every service must answer. */
  readonly echo?: boolean;
}

/** The service sends an event at least every `everyMs`; where events have numbers as `id:`, none may be missing. */
export interface EventTraffic extends Omit<Anywhere, "ratePerSecond"> {
  readonly kind: "sse";
  readonly path: string;
  readonly everyMs: number;
  readonly connections?: number;
}

/**
 * The meter sends lines `NUMBER\n`, counting up; the service answers each with a line that begins with that number. If a second
 * number follows, it is the connection's own count in the service and must go up by one from answer to answer, whoever answers.
 */
export interface TcpTraffic extends Anywhere {
  readonly kind: "tcp";
  readonly connections?: number;
}

export type Traffic = RequestTraffic | LongTraffic | WebSocketTraffic | EventTraffic | TcpTraffic;
