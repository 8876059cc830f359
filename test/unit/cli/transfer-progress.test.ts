// Bytes on the way, and patches that are being made: how much of how much, how fast, how long still; on a terminal, in lines, as data.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeOutput } from "../../../src/cli/output.ts";
import { applyBytes, applyEvent, applyMaking, startProgress } from "../../../src/cli/progress.ts";
import { renderProgress } from "../../../src/cli/render-progress.ts";
import { renderRunEvent } from "../../../src/cli/render-run-event.ts";
import { toText } from "../../../src/cli/text.ts";
import { noteBytes, readMeter, startMeter, transferText } from "../../../src/cli/transfer-meter.ts";
import { watchRun } from "../../../src/cli/watch-run.ts";
import type { Plan, PlannedTransfer } from "../../../src/model/plan.ts";
import type { EventBody, JournalEvent } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput } from "../../support/plan-input.ts";

const hosts = ["web1", "web2", "web3"];
const transfer: PlannedTransfer = {
  ...{ component: "shop", from: "1.0.0", to: "2.0.0", hosts, path: "direct", via: [] },
  ...{ bytesPerHost: 10_000_000, why: "direct patch 10 MB; full 31 MB" },
};
const plan: Plan = { ...makePlan(planInput({ components: { shop: { hosts } } })), transfers: [transfer] };
const plain = { color: false, width: undefined, overflow: "wrap" } as const;

function events(...bodies: readonly EventBody[]): JournalEvent[] {
  const planned: EventBody = {
    ...{ kind: "run-planned", commit: "c".repeat(40), generation: "g", plan, epoch: 1, fleet: [] },
  };
  const all: EventBody[] = [planned, { kind: "step-started", step: "distribute" }, ...bodies];
  return all.map((body, index) => ({ ...body, stream: "run/r1", sequence: index + 1, at: 1_000 }));
}

function told(...bodies: readonly EventBody[]) {
  const progress = startProgress("r1", 1_000);
  const lines = events(...bodies).flatMap((event) => {
    applyEvent(progress, event);
    return toText(renderRunEvent(progress, event).lines, plain);
  });
  return { progress, lines };
}

const report = (host: string, sent: number, there = sent) => ({ host, component: "shop", sent, there, total: 10_000_000 }); // biome-ignore format: one line

test("done of total, rate and time left, for all hosts of the run together", () => {
  const { progress } = told();
  assert.equal(transferText(readMeter(progress.transfers, 1_000)), "0 B of 30 MB");
  applyBytes(progress, report("web1", 1_000_000), 1_000);
  applyBytes(progress, report("web1", 6_000_000), 2_000);
  applyBytes(progress, report("web2", 5_000_000), 3_000);
  assert.equal(transferText(readMeter(progress.transfers, 3_000)), "11 MB of 30 MB, 5.0 MB/s, 3.8 s left");
  const rows = toText(renderProgress(progress, { now: 3_000, size: { columns: 120, rows: 24 } }), plain);
  assert.ok(
    rows.some((row) => /distribute.*11 MB of 30 MB, 5\.0 MB\/s, 3\.8 s left/.test(row)),
    rows.join("\n"),
  );
});

test("after a lost link the bytes that are there stay there; what was sent twice is counted as sent (R10)", () => {
  const meter = startMeter();
  noteBytes(meter, report("web1", 8_000_000), 0);
  noteBytes(meter, report("web1", 1_000_000, 8_500_000), 1_000);
  assert.deepEqual([meter.there, meter.sent], [8_500_000, 9_000_000]);
  assert.equal(readMeter(meter, 1_000).total, 10_000_000);
});

test("nothing is promised while a patch is not made yet, and a finished transfer has no time left", () => {
  const { progress } = told();
  const unknown = startProgress("r2", 0);
  applyEvent(unknown, { ...events()[0], plan: { ...plan, transfers: [{ ...transfer, bytesPerHost: undefined }] } } as JournalEvent); // biome-ignore format: one line
  assert.equal(transferText(readMeter(unknown.transfers, 1_000)), "0 B");
  for (const host of hosts) {
    applyBytes(progress, report(host, 10_000_000), 2_000);
    const delivered = { kind: "delivered", step: "distribute", host, component: "shop", bytes: 10_000_000, ms: 1 };
    applyEvent(progress, { ...delivered, stream: "run/r1", sequence: 9, at: 2_000 } as JournalEvent);
  }
  assert.equal(transferText(readMeter(progress.transfers, 4_000)), "30 MB of 30 MB");
});

test("a refused patch is shown with its evidence at once, and what follows it is counted beside it", () => {
  const refusal = (host: string): EventBody => ({
    ...{ kind: "patch-refused", step: "distribute", host, component: "shop", version: "2.0.0" },
    ...{ reason: "base-damaged", evidence: "bin/shop is not what 1.0.0 was built with\u001b[2J" },
  });
  const { progress, lines } = told(refusal("web1"), refusal("web2"));
  assert.deepEqual(lines.slice(-3), [
    "patch refused: web1 shop 2.0.0: base-damaged; it gets the full artifact",
    "  | bin/shop is not what 1.0.0 was built with\\u{1b}[2J",
    "patch refused: web2 shop 2.0.0: base-damaged; it gets the full artifact",
  ]);
  const end = { kind: "run-ended", outcome: "done", reason: "", stream: "run/r1", sequence: 9, at: 2_000 } as const;
  applyEvent(progress, end);
  const [last = ""] = toText(renderRunEvent(progress, end).lines, plain);
  assert.match(last, /; web1, web2 refused a patch and got the full artifact$/);
});

test("the run says first how each version is sent, and a patch that is being made has a row of its own", () => {
  const { progress, lines } = told();
  assert.ok(lines.includes("  sends shop 1.0.0 → 2.0.0 as a direct patch, 10 MB a host: 3 hosts, web1..web3"));
  const what = "patch shop 1.0.0 → 2.0.0";
  applyMaking(progress, { what, done: 1, total: 125_000_000, ended: false }, 1_000);
  applyMaking(progress, { what, done: 50_000_000, total: 125_000_000, ended: false }, 6_000);
  const picture = () => toText(renderProgress(progress, { now: 6_000, size: { columns: 120, rows: 24 } }), plain);
  assert.ok(picture().includes(`  make ${what} 50 MB of 125 MB, 10 MB/s, 7.5 s left`), picture().join("\n"));
  applyMaking(progress, { what, done: 0, total: 0, ended: true }, 7_000);
  assert.ok(!picture().some((row) => row.includes("make ")));
});

test("piped output has a line about bytes now and then, JSON a document", () => {
  const record = (json: boolean) => {
    let text = "";
    let now = 1_000;
    const write = (part: string) => {
      text += part;
    };
    const sink = { isTTY: false, columns: undefined, rows: undefined, write };
    const display = watchRun(makeOutput({ out: sink, err: sink, json, color: false }), [], () => now);
    for (const event of events()) display.onEvent(event);
    for (let sent = 1; sent <= 10; sent++) {
      now += 1_000;
      display.onBytes(report("web1", sent * 1_000_000), "r1");
    }
    display.onMaking?.({ what: "patch x", done: 1, total: 2, ended: false }, "r1");
    display.close();
    return text.trimEnd().split("\n");
  };
  assert.deepEqual(
    record(false).filter((line) => line.includes("sending")),
    [
      "1970-01-01T00:00:06Z sending: 5.0 MB of 30 MB, 1.0 MB/s, 25 s left",
      "1970-01-01T00:00:11Z sending: 10 MB of 30 MB, 1.0 MB/s, 20 s left",
    ],
  );
  const documents = record(true).map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    documents.find(({ done }) => done === 5_000_000),
    {
      ...{ kind: "bytes", run: "r1", done: 5_000_000, total: 30_000_000, bytesPerSecond: 1_000_000, secondsLeft: 25 },
    },
  );
});
