import assert from "node:assert/strict";
import { test } from "node:test";
import { notSwitched, switchesIn } from "../../../src/lab/grade/switch-seen.ts";
import { failureOf } from "../../../src/lab/meter/failure.ts";
import { gradeOf, isAtLeast } from "../../../src/lab/meter/grade-of.ts";
import type { KindReport } from "../../../src/lab/meter/meter-report.ts";
import { trafficKinds } from "../../../src/lab/meter/traffic.ts";
import type { JournalEvent } from "../../../src/model/run-event.ts";

const clean = (kind: KindReport["kind"], fault: Partial<KindReport> = {}): KindReport => ({
  ...{ kind, port: 80, path: "/", sent: 100, ok: 100, failed: 0, failedBy: {}, unaccepted: 0, versions: {} },
  ...{ longestPauseMs: 1, streams: 0, cut: 0, ended: 0, failures: [] },
  ...fault,
});

test("each fault costs the grade that it breaks and those above it, whatever kind it was seen on (R27)", () => {
  const graded = (kind: KindReport["kind"], fault: Partial<KindReport>) =>
    gradeOf(trafficKinds.map((each) => clean(each, each === kind ? fault : {}))).grade;
  assert.equal(graded("new", {}), "stream-safe");
  for (const kind of trafficKinds) assert.equal(graded(kind, { unaccepted: 1 }), "none", kind);
  for (const kind of ["new", "long", "keep-alive", "http2"] as const)
    assert.equal(graded(kind, { failed: 1, failedBy: { "hang-up": 1 } }), "listener-safe", kind);
  for (const kind of ["websocket", "sse", "tcp"] as const) {
    assert.equal(graded(kind, { failed: 1 }), "request-safe", kind);
    assert.equal(graded(kind, { cut: 1 }), "request-safe", kind);
    assert.equal(graded(kind, { ended: 1 }), "request-safe", kind);
  }
  assert.equal(graded("http2", { ended: 1 }), "stream-safe", "a connection that goes away with notice is no stream");
});

test("a grade needs traffic that could have failed it: without streams there is none above request-safe", () => {
  const { grade, because, unmeasured } = gradeOf([clean("new"), clean("sse", { sent: 0, ok: 0 })]);
  assert.equal(grade, "request-safe");
  assert.deepEqual(because, ["no traffic of streams was measured"]);
  assert.ok(unmeasured.includes("sse") && unmeasured.includes("long") && !unmeasured.includes("new"));
  assert.equal(gradeOf([]).grade, "none");
  const noEvent = { sent: 0, ok: 0 };
  for (const silent of [
    { ...noEvent, streams: 4, cut: 4 },
    { ...noEvent, streams: 4, unaccepted: 1 },
  ])
    assert.notEqual(gradeOf([clean("new"), clean("tcp"), clean("sse", silent)]).grade, "stream-safe");
});

test("a service that speaks no HTTP has its messages for requests: losing one leaves listener-safe", () => {
  assert.equal(gradeOf([clean("tcp", { failed: 1, cut: 1 })]).grade, "listener-safe");
  assert.equal(gradeOf([clean("tcp", { ended: 1 })]).grade, "request-safe");
});

test("a promise is kept by the same grade and by better ones", () => {
  assert.ok(isAtLeast("request-safe", "request-safe") && isAtLeast("stream-safe", "listener-safe"));
  assert.ok(!isAtLeast("listener-safe", "request-safe") && !isAtLeast("none", "listener-safe"));
});

test("only what may never have been accepted counts against the listener", () => {
  const seen = (error: object, silent: boolean) => {
    const { reason, unaccepted } = failureOf(Object.assign(new Error("x"), error), { silent });
    return [reason, unaccepted];
  };
  assert.deepEqual(seen({ code: "ECONNREFUSED", syscall: "connect" }, true), ["refused", true]);
  assert.deepEqual(seen({ code: "ECONNRESET", syscall: "read" }, true), ["reset", true]);
  assert.deepEqual(seen({ code: "ECONNRESET", syscall: "read" }, false), ["reset", false]);
  assert.deepEqual(seen({ code: "ECONNRESET" }, true), ["hang-up", false], "Node's word for a FIN before the answer");
});

const event = (action: "do" | "undo", evidence: string, more: object = {}): JournalEvent =>
  ({
    ...{ kind: "task", stream: "run/r", sequence: 1, at: 0, step: "switch.1", host: "h" },
    event: { task: "h/web/switch", action, state: "done", durationMs: 7, exitCode: 0, reason: "", evidence, ...more },
  }) as JournalEvent;

test("switches are read from the journal: of this component and host, done, by the last word of their evidence", () => {
  const found = switchesIn(
    [
      event("do", "old-pid=1 new-pid=2 from=a to=b ms=30"),
      event("do", "old-pid=1 new-pid=2 from=a to=b", { state: "running" }),
      event("do", "old-pid=1 new-pid=2 from=a to=b", { task: "h/api/switch" }),
      event("undo", "log: old-pid=8 new-pid=9 from=x to=y\ncurrent=a was=b\nold-pid=2 new-pid=3 from=b to=a"),
      event("do", "old-pid=3 new-pid=4 from=a to=b ms=3310 killed=3 after 3 s"),
      event("do", "already current"),
    ],
    { host: "h", component: "web" },
  );
  assert.deepEqual(found, [
    { action: "do", oldPid: "1", newPid: "2", from: "a", to: "b", ms: 7 },
    { action: "undo", oldPid: "2", newPid: "3", from: "b", to: "a", ms: 7 },
    { action: "do", oldPid: "3", newPid: "4", from: "a", to: "b", ms: 7, killed: 1 },
    { action: "do", oldPid: "unknown", newPid: "unknown", from: "unknown", to: "unknown", ms: 7 },
  ]);
});

test("a switch that changed neither version nor process is none, nor is one after which nothing runs", () => {
  const seen = { action: "do", oldPid: "1", newPid: "2", from: "a", to: "b", ms: 1 } as const;
  assert.equal(notSwitched(seen, { sameProcess: false }), undefined);
  assert.match(notSwitched({ ...seen, to: "a" }, { sameProcess: true }) ?? "", /the version is the same/);
  assert.match(notSwitched({ ...seen, newPid: "1" }, { sameProcess: false }) ?? "", /the process is the same/);
  assert.equal(notSwitched({ ...seen, newPid: "1" }, { sameProcess: true }), undefined);
  assert.match(notSwitched({ ...seen, newPid: "none" }, { sameProcess: true }) ?? "", /nothing runs/);
  assert.equal(notSwitched({ ...seen, action: "undo", oldPid: "none" }, { sameProcess: false }), undefined);
  for (const oldPid of ["none", "unknown"])
    assert.match(notSwitched({ ...seen, oldPid }, { sameProcess: true }) ?? "", /nobody knows what ran before/);
});
