// The meter against what says nothing: listeners that nobody accepts from, and streams that fall silent for good.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Graded, gradeOf } from "../../../src/lab/meter/grade-of.ts";
import type { KindReport, MeterSummary } from "../../../src/lab/meter/meter-report.ts";
import { spawnMeter } from "../../../src/lab/meter/spawn-meter.ts";
import type { Traffic } from "../../../src/lab/meter/traffic.ts";
import { withStoppableListener } from "../../support/full-listener.ts";
import { type MeasuredServer, withMeasuredServer } from "../../support/measured-server.ts";
import { until } from "../../support/until.ts";

const everyKind = (port: number, tls: boolean): readonly Traffic[] => [
  ...(["new", "http2", "websocket", "tcp"] as const).map((kind) => ({ kind, port, tls, ratePerSecond: 4 })),
  { kind: "sse", port, tls, path: "/events", everyMs: 50 },
];

test("a connection that the kernel takes no notice of until the deadline was not accepted, whatever was to be spoken on it", () =>
  withStoppableListener(async (listener) => {
    listener.stop();
    await listener.fill();
    for (const tls of [false, true]) assertUnaccepted(await measuredFor(2, everyKind(listener.port, tls)));
  }));

test("nor was one on which nobody begins TLS, HTTP/2 or a WebSocket until the deadline", () =>
  withStoppableListener(async (listener) => {
    assertUnaccepted(await measuredFor(2, everyKind(listener.port, true)));
    const plain = everyKind(listener.port, false).filter(({ kind }) => ["http2", "websocket", "sse"].includes(kind));
    assertUnaccepted(await measuredFor(2, plain));
  }));

async function measuredFor(maxSeconds: number, traffic: readonly Traffic[]): Promise<MeterSummary> {
  const meter = spawnMeter({ address: "127.0.0.1", traffic, timeoutMs: 700, maxSeconds, maxRequests: 1_000 });
  return meter.ended();
}

function assertUnaccepted({ kinds }: MeterSummary): void {
  for (const report of kinds) {
    assert.ok(report.unaccepted > 0, JSON.stringify(report));
    assert.equal(report.failed, report.sent, report.kind);
    assert.equal(report.streams, 0, report.kind);
    assert.equal(gradeOf([report]).grade, "none", report.kind);
  }
}

interface Silence {
  readonly kind: "sse" | "websocket" | "tcp";
  readonly timeoutMs: number;
  /** So long after it was told to stop and has asked each stream that can be asked. */
  readonly speaksAgainAfterMs?: number;
}

/** Measures requests and one kind of stream; when it has been heard of once, the service says no more on streams. */
async function silenced(
  server: MeasuredServer,
  { kind, timeoutMs, speaksAgainAfterMs }: Silence,
): Promise<Graded & { readonly report: KindReport }> {
  const traffic = server.traffic.filter((each) => each.kind === kind || each.kind === "new");
  // So seldom that nothing more is due before the end.
  const seldom = traffic.map((each) => (each.kind === "sse" ? each : { ...each, ratePerSecond: 0.2 }));
  const meter = spawnMeter({
    ...{ address: "127.0.0.1", traffic: seldom, timeoutMs, maxSeconds: 60, maxRequests: 1_000 },
  });
  await meter.answered(20_000);
  const streams = { sse: server.eventStreams, websocket: server.webSockets, tcp: server.tcpSockets }[kind];
  await until("all streams", 20_000, async () => streams.size === 4);
  server.isMute = true;
  await delay(200);
  const stopped = meter.stop();
  if (speaksAgainAfterMs !== undefined) {
    if (kind !== "sse") await until("last words", 10_000, async () => server.unheard >= 4);
    await delay(speaksAgainAfterMs);
    server.isMute = false;
  }
  const { kinds } = await stopped;
  const report = kinds.find((each) => each.kind === kind);
  assert.ok(report);
  return { ...gradeOf(kinds), report };
}

for (const kind of ["sse", "websocket", "tcp"] as const)
  test(`a stream that is silent until the end is cut, and never stream-safe: ${kind}`, () =>
    withMeasuredServer(async (server) => {
      const { grade, report } = await silenced(server, { kind, timeoutMs: 3_000 });
      assert.equal(grade, "request-safe", JSON.stringify(report));
      assert.equal(report.cut, 4, JSON.stringify(report));
      assert.ok(report.longestPauseMs >= 900, JSON.stringify(report));
    }));

for (const kind of ["sse", "websocket", "tcp"] as const)
  test(`a stream that speaks again in time is whole, and its silence a pause: ${kind}`, () =>
    withMeasuredServer(async (server) => {
      const { grade, report } = await silenced(server, { kind, timeoutMs: 20_000, speaksAgainAfterMs: 1_500 });
      assert.equal(grade, "stream-safe", JSON.stringify(report));
      assert.ok(report.longestPauseMs >= 500, JSON.stringify(report));
    }));
