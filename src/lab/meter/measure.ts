// The measurement itself: every kind in an open loop of its own, until it is stopped or a bound is met.
import { makeHttp1Kind } from "./http1-kind.ts";
import { makeHttp2Kind } from "./http2-kind.ts";
import type { Kind, KindInput } from "./kind.ts";
import { type MeterLine, type MeterSummary, makeTally, type NotSpoken, type Tally } from "./meter-report.ts";
import { openLoop } from "./open-loop.ts";
import { makeSseKind } from "./sse-kind.ts";
import { makeTcpKind } from "./tcp-kind.ts";
import type { Traffic } from "./traffic.ts";
import { makeWebSocketKind } from "./websocket-kind.ts";

export interface MeterOptions {
  readonly address: string;
  readonly traffic: readonly Traffic[];
  /** Measured as well if the service answers one try of it rightly at the start. */
  readonly ifSpoken?: readonly Traffic[];
  /** For one answer; what comes later has failed. */
  readonly timeoutMs: number;
  /** Whichever bound is met first ends the measurement. */
  readonly maxSeconds: number;
  readonly maxRequests: number;
}

/** Resolves when nothing is in flight any more. A service that never answers is measured all the same: all of it has failed. */
export async function measure(
  options: MeterOptions,
  { signal, print }: { readonly signal: AbortSignal; readonly print: (line: MeterLine) => void },
): Promise<MeterSummary> {
  const { spoken, notSpoken } = await findSpoken(options);
  const startMs = performance.now();
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const inFlight = new Set<Promise<void>>();
  let unanswered = options.traffic.length + spoken.length;
  let latenessMaxMs = 0;
  let sent = 0;
  const answered = (): void => {
    unanswered -= 1;
    if (unanswered === 0) print({ kind: "answered" });
  };
  const parts = [...options.traffic, ...spoken].map((traffic) => {
    const tally = makeTally(traffic, answered);
    return { tally, kind: makeKind({ ...options, traffic, tally }) };
  });
  const turnOf =
    ({ kind }: (typeof parts)[number]) =>
    (index: number, dueMs: number): void => {
      latenessMaxMs = Math.max(latenessMaxMs, performance.now() - dueMs);
      sent += 1;
      if (sent >= options.maxRequests) stop.abort();
      const turn = kind.turn(index, dueMs).finally(() => inFlight.delete(turn));
      inFlight.add(turn);
    };
  const clock = openLoop({
    ...{ ratePerSecond: 1, limit: options.maxSeconds, signal: either },
    turn: () => print(secondOf(parts.map(({ tally }) => tally))),
  });
  await Promise.all([
    ...parts.map((part) => {
      const { ratePerSecond } = part.kind;
      const limit = Math.floor(options.maxSeconds * ratePerSecond);
      return openLoop({ ratePerSecond, limit, signal: either, turn: turnOf(part) });
    }),
    clock,
  ]);
  const endedBy = signal.aborted && !stop.signal.aborted ? "stop" : "bound";
  await Promise.all([...inFlight, ...parts.map(({ kind }) => kind.settle?.())]);
  for (const { kind } of parts) kind.close();
  return {
    ...{ kind: "summary", endedBy },
    seconds: Math.round((performance.now() - startMs) / 100) / 10,
    latenessMaxMs: Math.round(latenessMaxMs),
    kinds: parts.map(({ tally }) => tally.report()),
    notSpoken,
  };
}

function makeKind({ traffic, ...rest }: KindInput<Traffic>): Kind {
  switch (traffic.kind) {
    case "new":
    case "long":
    case "keep-alive":
      return makeHttp1Kind({ ...rest, traffic });
    case "http2":
      return makeHttp2Kind({ ...rest, traffic: { ...traffic, kind: "http2" } });
    case "websocket":
      return makeWebSocketKind({ ...rest, traffic });
    case "sse":
      return makeSseKind({ ...rest, traffic });
    case "tcp":
      return makeTcpKind({ ...rest, traffic });
  }
}

/** A try of each kind that the service need not speak; what the try did is not part of the measurement. */
async function findSpoken(options: MeterOptions): Promise<{ spoken: Traffic[]; notSpoken: NotSpoken[] }> {
  const spoken: Traffic[] = [];
  const notSpoken: NotSpoken[] = [];
  for (const traffic of options.ifSpoken ?? []) {
    const right = Promise.withResolvers<void>();
    const tally = makeTally(traffic, right.resolve);
    const timeoutMs = Math.min(options.timeoutMs, 3_000);
    const kind = makeKind({ ...options, traffic, tally, timeoutMs });
    const tried = traffic.kind === "sse" ? Promise.resolve() : kind.turn(0, performance.now());
    await Promise.race([right.promise, traffic.kind === "sse" ? after(timeoutMs) : tried]);
    kind.close();
    const { ok, failures } = tally.report();
    if (ok > 0) spoken.push(traffic);
    else notSpoken.push({ kind: traffic.kind, why: failures[0]?.detail ?? "no event came" });
  }
  return { spoken, notSpoken };
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function secondOf(tallies: readonly Tally[]): MeterLine {
  const reports = tallies.map((tally) => tally.report());
  const sum = (of: "sent" | "failed" | "cut"): number => reports.reduce((total, report) => total + report[of], 0);
  return { kind: "second", sent: sum("sent"), failed: sum("failed"), cut: sum("cut") };
}
