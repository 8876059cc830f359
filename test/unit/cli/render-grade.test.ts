// What `cutover grade` says of a measurement, and where its options send traffic.
import assert from "node:assert/strict";
import { test } from "node:test";
import { trafficOf } from "../../../src/cli/grade-traffic.ts";
import { renderGrade } from "../../../src/cli/render-grade.ts";
import { toText } from "../../../src/cli/text.ts";
import type { GradeReport } from "../../../src/lab/grade/grade-component.ts";
import { Component } from "../../../src/model/component.ts";

const web = Component.parse({
  ...{ apiVersion: "cutover/v1", kind: "Component", name: "web", root: "/srv/web", manager: "process" },
  switch: { strategy: "exec", start: "bin/start" },
  health: [{ kind: "http", url: "http://self:8080/ready" }],
});

const move = { oldPid: "1", newPid: "2", from: "1.0.0", to: "2.0.0", ms: 5 };
const report = ({ takenBack, nonOk }: { takenBack: number; nonOk: number }): GradeReport => ({
  ...{ component: "web", versions: ["1.0.0", "2.0.0"], strategy: "exec", declared: "request-safe" },
  switches: [
    { ...move, action: "do" },
    ...Array.from({ length: takenBack }, () => ({ ...move, action: "undo" as const })),
  ],
  ...{ takenBack, grade: nonOk === 0 ? "request-safe" : "listener-safe", because: [], unmeasured: [] },
  measured: {
    ...{ kind: "summary", endedBy: "stop", seconds: 1, latenessMaxMs: 0, notSpoken: [] },
    kinds: [
      {
        ...{ kind: "new", port: 8080, path: "/ready", sent: 50, ok: 50 - nonOk, failed: nonOk, unaccepted: 0 },
        ...{ failedBy: nonOk === 0 ? {} : { "non-2xx": nonOk }, versions: {}, longestPauseMs: 3 },
        ...{ streams: 0, cut: 0, ended: 0, failures: [] },
      },
    ],
  },
});
const show = (of: GradeReport, usual: string | undefined) =>
  toText(renderGrade(of, { usual }), { color: false, width: undefined, overflow: "wrap" });

test("whether the way back was measured is said either way", () => {
  const without = show(report({ takenBack: 0, nonOk: 0 }), undefined);
  assert.ok(
    without.some((line) => /^not measured: the way back .*--switches 3/.test(line)),
    without.join("\n"),
  );
  const within = show(report({ takenBack: 1, nonOk: 0 }), undefined);
  assert.equal(
    within.at(-1),
    "web: 1 switch by exec (1 taken back), request-safe for short requests; its contract declares request-safe",
  );
  assert.ok(!within.some((line) => /^not measured: the way back/.test(line)), within.join("\n"));
});

test("request-safe is for short requests as long as none was under way for long; what keeps from the next grade is named by it", () => {
  const short = report({ takenBack: 1, nonOk: 0 });
  assert.ok(
    show(short, undefined).some((line) => /^not measured: requests that are under way for long .*--long/.test(line)),
  );
  const kinds = [...short.measured.kinds, ...short.measured.kinds.map((kind) => ({ ...kind, kind: "long" as const }))];
  const because = ["no traffic of streams was measured"];
  const long = show({ ...short, because, measured: { ...short.measured, kinds } }, undefined);
  assert.equal(long.at(-1), "web: 1 switch by exec (1 taken back), request-safe; its contract declares request-safe");
  assert.ok(long.includes("not stream-safe: no traffic of streams was measured"), long.join("\n"));
  assert.ok(
    show(report({ takenBack: 1, nonOk: 3 }), undefined)
      .at(-1)
      ?.includes("listener-safe; its"),
  );
});

test("a stream that was cut off and one that the service ended are told apart, in the table and in the evidence", () => {
  const measured = report({ takenBack: 1, nonOk: 0 });
  const failures = [
    { at: 0, reason: "cut" as const, detail: "it closed the connection without a close frame" },
    { at: 0, reason: "ended" as const, detail: "closed with 1001" },
  ];
  const seen = (lost: { cut: number; ended: number }) => {
    const kinds = measured.measured.kinds.map((kind) => ({ ...kind, kind: "websocket" as const, streams: 9, ...lost, failures })); // biome-ignore format: one line
    return show({ ...measured, measured: { ...measured.measured, kinds } }, undefined);
  };
  const lines = seen({ cut: 1, ended: 3 });
  assert.ok(
    lines.some((line) => / 1 cut, 3 ended of 9 /.test(line)),
    lines.join("\n"),
  );
  assert.ok(lines.includes("  websocket stream cut off: it closed the connection without a close frame"));
  assert.ok(lines.includes("  websocket stream ended by the service: closed with 1001"));
  assert.ok(seen({ cut: 0, ended: 2 }).some((line) => / 2 ended of 9 /.test(line)));
  assert.ok(seen({ cut: 0, ended: 0 }).some((line) => / 0 of 9 /.test(line)));
});

test("a promise of whole streams that nobody measured says how to measure it", () => {
  const measured = report({ takenBack: 1, nonOk: 0 });
  const hint = /^next: cutover grade web … with --websocket, --events or --tcp/;
  assert.ok(show({ ...measured, declared: "stream-safe" }, undefined).some((line) => hint.test(line)));
  assert.ok(!show(measured, undefined).some((line) => hint.test(line)));
  const kinds = measured.measured.kinds.map((kind) => ({ ...kind, kind: "tcp" as const }));
  const seen = { ...measured, declared: "stream-safe" as const, measured: { ...measured.measured, kinds } };
  assert.ok(!show(seen, undefined).some((line) => hint.test(line)));
});

test("a readiness path that says 503 while it drains is named as what was asked, unless the user chose it", () => {
  const hint = /^which path: 8080\/ready is a health check.*cutover grade web --http 8080\/PATH$/;
  assert.ok(show(report({ takenBack: 1, nonOk: 2 }), "8080/ready").some((line) => hint.test(line)));
  assert.ok(!show(report({ takenBack: 1, nonOk: 2 }), undefined).some((line) => hint.test(line)));
  assert.ok(!show(report({ takenBack: 1, nonOk: 0 }), "8080/ready").some((line) => hint.test(line)));
});

test("requests go to the health check unless a path is named; --tls is for every kind", () => {
  assert.equal(trafficOf({}, web).usual, "8080/ready");
  const all = {
    http: "/",
    long: "/work?ms=400=400",
    websocket: "/ws",
    events: "9090/events=200",
    tcp: "9091",
    tls: true,
  };
  const { traffic, usual } = trafficOf(all, web);
  assert.equal(usual, undefined);
  assert.deepEqual(traffic, [
    { kind: "new", port: 8080, path: "/", tls: true },
    { kind: "keep-alive", port: 8080, path: "/", tls: true },
    { kind: "long", port: 8080, path: "/work?ms=400", workMs: 400, tls: true },
    { kind: "websocket", port: 8080, path: "/ws", tls: true },
    { kind: "sse", port: 9090, path: "/events", everyMs: 200, tls: true },
    { kind: "tcp", port: 9091, tls: true },
  ]);
});
