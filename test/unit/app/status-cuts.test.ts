// What a switch cut off reaches the status: what the drain counted, and processes that were killed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cutsOf } from "../../../src/app/status-cuts.ts";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import { cutText } from "../../../src/status/cut-text.ts";

function said(task: string, evidence: string, action: "do" | "undo" = "do"): JournalEvent {
  const [host = ""] = task.split("/");
  const event = { task, action, state: "done", durationMs: 1, exitCode: 0, reason: "", evidence } as const;
  return { stream: "run/r1", sequence: 1, at: 1, kind: "task", step: "switch.1", host, event };
}
const drained = (cut: string) => `the balancer knows\nin-flight=${cut} cut=${cut} waited-ms=60000 until=deadline\n`;
const switched = "old-pid=7 new-pid=9 from=1 to=2 ms=1200";

test("what was in flight at the end of a drain and what was killed is counted for each host and component, retold events once", () => {
  const cuts = cutsOf([
    said("h1/web/drain", drained("3")),
    said("h1/web/switch", `${switched} killed=7 after 30 s`),
    said("h1/web/switch", `${switched} killed=7 after 30 s`),
    said("h1/web/drain", "in service\n", "undo"),
    said("h1/web/commit", "committed=2 removed=0 killed=8 after 30 s"),
    said("h2/web/drain", drained("unknown")),
    said("h3/web/drain", drained("0")),
    said("h3/web/switch", switched),
    said("h4/web/drain", drained("not-counted")),
    said("h5/web/drain", "a task said in-flight=9 cut=9 waited-ms=1 until=x\n"),
  ]);
  assert.deepEqual(
    [...cuts],
    [
      ["h1/web", { inFlight: 3, killed: 2 }],
      ["h2/web", { inFlight: null, killed: 0 }],
    ],
  );
  assert.equal(cutText(cuts.get("h1/web")), "cut: 3 in flight, 2 processes killed");
  assert.equal(cutText(cuts.get("h2/web")), "cut: an unknown number in flight");
  assert.equal(cutText(cuts.get("h3/web")), "");
});

test("what a balancer cut is counted where it was cut: at the host that left traffic, of all balancers, the last word of each", () => {
  const change = (host: string, strategy: string) => ({ host, component: "web", from: "1", to: "2", strategy });
  const plan = { changes: [change("h1", "balancer"), change("h2", "balancer"), change("h3", "restart")], steps: [] };
  const planned = { stream: "run/r1", sequence: 1, at: 1, kind: "run-planned", plan } as unknown as JournalEvent;
  const cuts = cutsOf([
    planned,
    said("lb1/pool/out.h1", "h1 is out of web/h1 after 60 s, cut=2\n"),
    said("lb1/pool/out.h1", "h1 is out of web/h1 after 60 s, cut=3\n"),
    said("lb2/pool/out.h1", "h1 is out of web/h1 after 60 s, cut=4\n"),
    said("lb1/pool/out.h2", "h2 is out of web/h2 after 0 s, cut=0\n"),
    said("lb1/pool/out.h3", "h3 is out of web/h3 after 60 s, cut=5\n"),
    ...["h1", "h2", "h3"].map((host) => said(`${host}/web/switch`, switched)),
  ]);
  assert.deepEqual([...cuts], [["h1/web", { inFlight: 7, killed: 0 }]]);
});
