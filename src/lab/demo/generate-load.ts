// The demo's load: pages of shop from several hosts in turn, in an open loop, reported every second.
import { Agent } from "node:http";
import { openLoop } from "../meter/open-loop.ts";
import {
  type HostTally,
  type LoadFailure,
  type LoadSecond,
  type LoadSummary,
  makeHostTally,
  percentiles,
} from "./load-report.ts";
import { requestPage } from "./request-page.ts";

const MAX_SHOWN_FAILURES = 20;
const KEPT_CONNECTIONS = 4;

export interface LoadTarget {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export interface LoadOptions {
  readonly targets: readonly LoadTarget[];
  readonly path: string;
  /** Over all targets together, in turn. */
  readonly ratePerSecond: number;
  /** 0 to 1: the share of requests on kept connections; the others open a connection each. */
  readonly keepAliveShare: number;
  readonly timeoutMs: number;
  /** Whichever bound is met first ends the run, as does `signal`. */
  readonly maxRequests: number;
  readonly maxSeconds: number;
  readonly signal: AbortSignal;
  readonly onSecond: (second: LoadSecond) => void;
}

interface TargetState extends LoadTarget {
  readonly total: HostTally;
  readonly keepAlive: Agent;
  recent: HostTally;
}

/** Resolves once the last request has ended, at most `timeoutMs` after the last one was sent. */
export async function generateLoad(options: LoadOptions): Promise<LoadSummary> {
  const targets = options.targets.map(makeTargetState);
  const fresh = new Agent({ keepAlive: false });
  const inFlight = new Set<Promise<void>>();
  const failures: LoadFailure[] = [];
  const lateness: number[] = [];
  const total = { sent: 0, ok: 0, failed: 0 };
  const startMs = performance.now();
  const limit = Math.min(options.maxRequests, Math.floor(options.maxSeconds * options.ratePerSecond));
  let reportedLateness = 0;

  async function send(index: number, dueMs: number): Promise<void> {
    const target = targets[index % targets.length] as TargetState;
    const keepAlive = isKeptAlive(Math.floor(index / targets.length), options.keepAliveShare);
    lateness.push(Math.max(0, performance.now() - dueMs));
    total.sent += 1;
    target.total.sent();
    target.recent.sent();
    const agent = keepAlive ? target.keepAlive : fresh;
    const { address, port } = target;
    const result = await requestPage({ address, port, path: options.path, agent, timeoutMs: options.timeoutMs });
    const { reason, detail, version } = result;
    const completed = { latencyMs: performance.now() - dueMs, version, reason };
    target.total.completed(completed);
    target.recent.completed(completed);
    if (reason === undefined) {
      total.ok += 1;
      return;
    }
    total.failed += 1;
    if (failures.length < MAX_SHOWN_FAILURES) {
      failures.push({ at: Date.now(), host: target.name, reason, detail, keepAlive });
    }
  }

  function report(second: number): void {
    const latenessMaxMs = maximum(lateness.slice(reportedLateness));
    reportedLateness = lateness.length;
    const hosts = countsOf(targets, "recent");
    for (const target of targets) target.recent = makeHostTally();
    options.onSecond({
      kind: "second",
      second,
      hosts,
      inFlight: inFlight.size,
      latenessMaxMs,
      total: { ...total },
    });
  }

  const seconds = await openLoop({
    ratePerSecond: options.ratePerSecond,
    limit,
    signal: options.signal,
    turn: (index, dueMs) => {
      const request = send(index, dueMs).finally(() => inFlight.delete(request));
      inFlight.add(request);
    },
    everySecond: report,
  });
  await Promise.all(inFlight);
  report(seconds + 1);
  for (const target of targets) target.keepAlive.destroy();
  const [latenessP99Ms] = percentiles(lateness, [0.99]) as [number];
  return {
    kind: "summary",
    seconds: Math.round((performance.now() - startMs) / 100) / 10,
    ratePerSecond: options.ratePerSecond,
    ...total,
    hosts: countsOf(targets, "total"),
    latenessP99Ms,
    latenessMaxMs: maximum(lateness),
    failures,
  };
}

function makeTargetState(target: LoadTarget): TargetState {
  // fifo: every kept connection is used in turn, so none falls silent for long
  const keepAlive = new Agent({ keepAlive: true, maxFreeSockets: KEPT_CONNECTIONS, scheduling: "fifo" });
  return { ...target, keepAlive, total: makeHostTally(), recent: makeHostTally() };
}

function countsOf(targets: readonly TargetState[], which: "recent" | "total"): LoadSecond["hosts"] {
  return Object.fromEntries(targets.map((target) => [target.name, target[which].counts()]));
}

/** Spreads the share evenly: for 0.2 every fifth. */
function isKeptAlive(turn: number, share: number): boolean {
  return Math.floor((turn + 1) * share) > Math.floor(turn * share);
}

function maximum(values: readonly number[]): number {
  return Math.round(values.reduce((most, value) => Math.max(most, value), 0) * 10) / 10;
}
