// The meter against services that misbehave on purpose: each fault must be seen and cost the grade that it breaks. No test here
// says how fast anything is.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Graded, gradeOf } from "../../../src/lab/meter/grade-of.ts";
import type { MeterOptions } from "../../../src/lab/meter/measure.ts";
import type { KindReport, MeterSummary } from "../../../src/lab/meter/meter-report.ts";
import { type Meter, spawnMeter } from "../../../src/lab/meter/spawn-meter.ts";
import type { TrafficKind } from "../../../src/lab/meter/traffic.ts";
import { listen, type MeasuredServer, rightBody, withMeasuredServer } from "../../support/measured-server.ts";
import { until } from "../../support/until.ts";

interface Measured extends Graded {
  readonly summary: MeterSummary;
  of(kind: TrafficKind): KindReport;
}

/** So much has failed that each kind of requests that can fail has: they come equally often. A meter that stands still meanwhile is waited for. */
const untilFailed = (meter: Meter): Promise<void> =>
  until("failures of every kind", 60_000, async () => meter.failedSoFar() >= 40);

/** Measures all that the server speaks, while and for some time after `fault` happens. */
async function measured(
  server: MeasuredServer,
  fault: (meter: Meter) => Promise<void> | void,
  options: Partial<MeterOptions> = {},
): Promise<Measured> {
  const meter = spawnMeter({
    ...{ address: "127.0.0.1", traffic: server.traffic, timeoutMs: 10_000, maxSeconds: 60, maxRequests: 100_000 },
    ...options,
  });
  try {
    await meter.answered(20_000);
    await fault(meter);
    await delay(500);
  } finally {
    await meter.stop();
  }
  const summary = await meter.stop();
  const of = (kind: TrafficKind): KindReport => {
    const found = summary.kinds.find((report) => report.kind === kind);
    assert.ok(found);
    assert.equal(found.sent, found.ok + found.failed, kind);
    return found;
  };
  return { ...gradeOf(summary.kinds), summary, of };
}

test("a service that does nothing wrong is stream-safe, with every kind measured", () =>
  withMeasuredServer(async (server) => {
    const { grade, because, unmeasured, summary } = await measured(server, () => {});
    assert.equal(summary.endedBy, "stop");
    assert.deepEqual([grade, because, unmeasured], ["stream-safe", [], []], JSON.stringify(summary));
    for (const { kind, ok } of summary.kinds) assert.ok(ok > 0, kind);
  }));

test("a listener that is closed for a moment costs every grade", () =>
  withMeasuredServer(async (server) => {
    const { grade, because, of } = await measured(server, async (meter) => {
      server.http.close();
      await untilFailed(meter);
      await listen(server.http, server.ports.http);
    });
    assert.equal(grade, "none");
    assert.match(because.join("\n"), /^new: \d+ connections were not accepted$/m);
    assert.ok((of("new").failedBy.refused ?? 0) > 0);
  }));

test("requests that are cut in the middle leave listener-safe", () =>
  withMeasuredServer(async (server) => {
    const { grade, of, because } = await measured(server, async () => {
      await until("a long request", 20_000, async () => server.working.size > 0);
      // Only where a request was read: a connection that is closed before that is reset, and may count as not accepted.
      for (const { socket } of server.working) socket?.destroy();
    });
    assert.equal(grade, "listener-safe", because.join("\n"));
    assert.ok((of("long").failedBy["hang-up"] ?? 0) > 0, JSON.stringify(of("long")));
  }));

test("wrong and shortened bodies count as failed, whatever their status", () =>
  withMeasuredServer(async (server) => {
    const { grade, of } = await measured(server, async (meter) => {
      const { body } = server;
      server.body = () => "version 1, all";
      await untilFailed(meter);
      server.body = body;
    });
    assert.equal(grade, "listener-safe");
    for (const kind of ["new", "keep-alive", "http2"] as const)
      assert.deepEqual(Object.keys(of(kind).failedBy), ["wrong-body"], kind);
  }));

test("an answer with another version and the sum of the first is mixed, so wrong", () =>
  withMeasuredServer(async (server) => {
    server.body = () => "page 1 sum 9bbf3a5b";
    const traffic = [{ kind: "new", port: server.ports.http, body: "(?<text>page \\d+) sum (?<sum>.*)" }] as const;
    const meter = spawnMeter({ address: "127.0.0.1", traffic, timeoutMs: 5_000, maxSeconds: 1, maxRequests: 10 });
    const { kinds } = await meter.stop().then(() => meter.stop());
    assert.deepEqual(
      kinds.map(({ sent, failed, failedBy }) => [sent === failed, Object.keys(failedBy)]),
      [[true, ["wrong-body"]]],
    );
  }));

test("streams that the service breaks, or ends in good form, leave request-safe", () =>
  withMeasuredServer(async (server) => {
    const cut = await measured(server, async () => {
      await until("four WebSockets", 20_000, async () => server.webSockets.size === 4);
      for (const socket of server.webSockets) socket.destroy();
    });
    assert.equal(cut.grade, "request-safe", cut.because.join("\n"));
    assert.equal(cut.of("websocket").cut, 4);
    const how = ({ failures }: KindReport) => failures.flatMap(({ reason, detail }) => (reason === "cut" ? [detail] : [])); // biome-ignore format: one line
    for (const detail of how(cut.of("websocket"))) assert.match(detail, /^(?:it closed .* without a close frame|ECONNRESET: |EPIPE: )/); // biome-ignore format: one line
    const ended = await measured(server, async () => {
      await until("four event streams", 20_000, async () => server.eventStreams.size === 4);
      for (const stream of server.eventStreams) stream.end();
    });
    assert.equal(ended.grade, "request-safe", ended.because.join("\n"));
    assert.deepEqual([ended.of("sse").ended, ended.of("sse").cut], [4, 0]);
  }));

test("a TCP connection whose count starts again is a gap, though no byte was lost", () =>
  withMeasuredServer(async (server) => {
    let counted = 0;
    server.count = (own) => {
      if (own === 1) counted += 1;
      return own;
    };
    const { grade, of } = await measured(server, async () => {
      await until("a count on each connection", 20_000, async () => counted === 4);
      server.count = (own) => own + 1000;
    });
    assert.equal(grade, "request-safe");
    assert.equal(of("tcp").failedBy.gap, 4, "one a connection");
  }));

test("a pause costs no grade, and is told from the time at which requests were due", () =>
  withMeasuredServer(async (server) => {
    const { grade, of, summary } = await measured(server, () => {
      for (const end = performance.now() + 800; performance.now() < end; );
    });
    assert.equal(grade, "stream-safe");
    // Events are due by no clock of the meter: one that it reads late makes the pause after it shorter.
    const lateMs = { new: 0, http2: 0, tcp: 0, sse: summary.latenessMaxMs } as const;
    for (const kind of ["new", "http2", "tcp", "sse"] as const)
      assert.ok(of(kind).longestPauseMs >= 700 - lateMs[kind], `${kind}: ${of(kind).longestPauseMs} ms`);
  }));

test("an answer that never comes is a failure by its deadline", () =>
  withMeasuredServer(async (server) => {
    const silent = { kind: "long", port: server.ports.http, path: "/events", workMs: 0, body: rightBody } as const;
    const right = { kind: "new", port: server.ports.http, body: rightBody } as const;
    const meter = spawnMeter({
      ...{ address: "127.0.0.1", traffic: [right, silent], timeoutMs: 5_000, maxSeconds: 60, maxRequests: 1_000 },
    });
    await assert.rejects(meter.answered(1_000), { code: "service-not-answering" });
    const { kinds } = await meter.stop();
    assert.equal(kinds[1]?.failedBy.timeout, kinds[1]?.sent);
    assert.equal(kinds[0]?.failed, 0);
  }));

/**
 * "No more requests from now on, all that are on their way are taken" (RFC 9113, 6.8). Node's own `goaway()` takes no request from
 * then on, whichever number it is given, so what crosses with it is refused.
 */
const shutdownNotice = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

test("HTTP/2: a connection that is told to go away costs nothing; one that is torn away does", () =>
  withMeasuredServer(async (server) => {
    const sockets: Socket[] = [];
    server.http2.on("connection", (socket) => sockets.push(socket));
    const polite = await measured(server, async () => {
      await until("both connections", 10_000, async () => server.http2Sessions.size === 2);
      const told = [...server.http2Sessions];
      // Meanwhile requests wait to be read: they cross with the notice, as one may at any time, and must be answered none the less.
      for (const end = performance.now() + 100; performance.now() < end; );
      for (const socket of sockets) socket.write(shutdownNotice);
      await until("clients gone by themselves", 10_000, async () => !told.some((one) => server.http2Sessions.has(one)));
    });
    assert.equal(polite.of("http2").failed, 0, JSON.stringify(polite.of("http2")));
    assert.ok(polite.of("http2").ended >= 2);
    const torn = await measured(
      server,
      async () => {
        const answer = server.http2.listeners("stream") as (() => void)[];
        let unanswered = 0;
        server.http2.removeAllListeners("stream").on("stream", (stream) => {
          unanswered += 1;
          stream.on("error", () => {});
        });
        await until("requests that wait", 20_000, async () => unanswered > 0);
        for (const session of server.http2Sessions) session.destroy();
        server.http2.removeAllListeners("stream");
        for (const each of answer) server.http2.on("stream", each);
      },
      { traffic: [{ kind: "http2", port: server.ports.http2 }] },
    );
    assert.equal(torn.grade, "listener-safe");
    assert.ok((torn.of("http2").failedBy["hang-up"] ?? 0) > 0, JSON.stringify(torn.of("http2")));
  }));

test("kinds that the service does not speak are not measured, and said so", () =>
  withMeasuredServer(async (server) => {
    const port = server.ports.tcp; // lines only
    const { summary, grade, unmeasured } = await measured(server, () => {}, {
      traffic: [{ kind: "tcp", port }],
      ifSpoken: [
        { kind: "tcp", port },
        { kind: "websocket", port, path: "/" },
        { kind: "http2", port: server.ports.http },
        { kind: "sse", port: server.ports.http, path: "/", everyMs: 50 },
      ],
      timeoutMs: 10_000,
    });
    assert.deepEqual(
      summary.notSpoken.map(({ kind }) => kind),
      ["websocket", "http2", "sse"],
    );
    assert.equal(grade, "stream-safe");
    assert.deepEqual(unmeasured, ["new", "long", "keep-alive", "http2", "websocket", "sse"]);
  }));

test("the meter stays within its count, and ends when its owner is gone", () =>
  withMeasuredServer(async (server) => {
    const meter = spawnMeter({
      ...{ address: "127.0.0.1", traffic: server.traffic, timeoutMs: 5_000, maxSeconds: 60, maxRequests: 40 },
    });
    const { kinds, endedBy } = await meter.ended();
    assert.equal(endedBy, "bound");
    assert.ok(meter.hasEnded());
    const sent = kinds.filter(({ kind }) => kind !== "sse").reduce((total, report) => total + report.sent, 0);
    // A last word goes to each of four WebSockets and four TCP connections.
    assert.ok(sent <= 40 + kinds.length + 8, `${sent} sent`);
  }));

test("a connection that waits in the queue of a listener that goes away was not accepted", async () => {
  // It listens, and never comes round to accepting: what connects waits in the kernel until the process is gone.
  const program = `const server = require("node:net").createServer();
server.listen(0, "127.0.0.1", () => {
  require("node:fs").writeSync(1, server.address().port + "\\n");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
});`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  const meter = spawnMeter({
    ...{ address: "127.0.0.1", traffic: [{ kind: "new", port: Number(port) }], timeoutMs: 30_000 },
    ...{ maxSeconds: 60, maxRequests: 100_000 },
  });
  await until("a request in its queue", 20_000, () => isAsked(Number(port)));
  child.kill("SIGKILL");
  await once(child, "exit");
  const [report] = (await meter.stop()).kinds;
  assert.ok((report?.failedBy.reset ?? 0) > 0, JSON.stringify(report));
  assert.equal(report?.unaccepted, report?.failed);
});

/** Whether a request waits at the port of 127.0.0.1 for somebody who accepts its connection, as the kernel tells in hex. */
async function isAsked(port: number): Promise<boolean> {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = (await readFile("/proc/net/tcp", "utf8")).split("\n").map((line) => line.trim().split(/\s+/));
  const established = lines.filter(([, address, , state]) => address === local && state === "01");
  return established.some(([, , , , queues = ""]) => Number.parseInt(queues.split(":")[1] ?? "0", 16) > 0);
}
