// Notes: what people read, what programs read back, and what hostile text in a note can do, which is nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Status, TargetStatus } from "../../../src/model/status.ts";
import { foldHosts } from "../../../src/status/fold-hosts.ts";
import { encodeNote, notePayload, parseNotes } from "../../../src/status/note-codec.ts";

const at = Date.UTC(2026, 10, 21, 2, 30);
const target = (host: string, rest: Partial<TargetStatus> = {}): TargetStatus => {
  return { host, component: "shop", from: "1", version: "2", wanted: "2", since: at, outcome: "done", ...rest };
};
const status: Status = {
  format: "cutover-status/1",
  release: "web",
  commit: "c".repeat(40),
  generation: `sha256:${"1".repeat(64)}`,
  planHash: `sha256:${"2".repeat(64)}`,
  run: "r-1",
  conditions: [
    { type: "Ready", status: "False", reason: "budget-exceeded", message: "web5 failed" },
    { type: "Reconciling", status: "False", reason: "budget-exceeded", message: "" },
    { type: "Stalled", status: "True", reason: "budget-exceeded", message: "web5 failed its health check" },
  ],
  targets: [
    ...["web1", "web2", "web3", "web4"].map((host, index) => target(host, { since: at - index })),
    target("web5", { version: "1", outcome: "rolled-back", detail: "503 Service\u001b[31m Unavailable\ndata: x" }),
    target("web6", { version: null, outcome: "unknown" }),
  ],
  quarantined: [{ component: "shop", version: "3", tree: `sha256:${"3".repeat(64)}`, reason: "health" }],
  at,
  holder: "ctl1",
  epoch: 4,
};
const signature = `-----BEGIN SSH SIGNATURE-----\n${"U1NIU0lH".repeat(20).replace(/.{70}/g, "$&\n")}\n-----END SSH SIGNATURE-----\n`;

test("a person reads the state, the plan, and hosts of one outcome in one line (R3, R46)", () => {
  const lines = encodeNote(status).split("\n");
  assert.deepEqual(lines.slice(0, 6), [
    "cutover web: Stalled (budget-exceeded): web5 failed its health check",
    `plan sha256:${"2".repeat(64)} by run r-1`,
    "web1..web4 shop 1 → 2 since 2026-11-21T02:30:00Z",
    "web5 shop 1 since 2026-11-21T02:30:00Z (rolled-back, wanted 2): 503 Service\\u{1b}[31m Unavailable data: x",
    "web6 shop 1 → nothing since 2026-11-21T02:30:00Z (unknown, wanted 2)",
    "quarantined shop 3: health",
  ]);
  assert.equal(lines[6], "reported 2026-11-21T02:30:00Z by ctl1, epoch 4");
  assert.match(lines[7] ?? "", /^data: [A-Za-z0-9_-]+$/);
  assert.equal(lines.length, 9);
});

test("a status without a true condition is shown as unknown, never as ready (P7)", () => {
  assert.match(encodeNote({ ...status, conditions: [] }), /^cutover web: Unknown \(Unknown\)\n/);
  const notReady = {
    ...status,
    conditions: [{ type: "Ready" as const, status: "False" as const, reason: "held", message: "" }],
  };
  assert.match(encodeNote(notReady), /^cutover web: not Ready \(held\)\n/);
});

test("what was written is read back, signature included, from among foreign text and other records", () => {
  const other = { ...status, release: "db", at: at + 1 };
  const note = `Notes by a person.\ndata: not base64!\n\n${encodeNote(status, signature)}\nsignature: stray\n\n${encodeNote(other)}Signed-off-by: someone\n`;
  const records = parseNotes(note);
  assert.deepEqual(
    records.map(({ status: read }) => read),
    [status, other],
  );
  assert.deepEqual(
    records.map(({ signature: read }) => read),
    [signature, undefined],
  );
  assert.equal(records[0]?.payload, notePayload(status));
});

test("the same status has one payload, whatever the order of its members", () => {
  const reversed = Object.fromEntries(Object.entries(status).reverse()) as Status;
  assert.equal(notePayload(reversed), notePayload(status));
});

test("altered, foreign and later formats are passed over; nothing in a note throws (T33)", () => {
  const data = (value: unknown) =>
    `data: ${Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")}\n`;
  for (const bad of [
    { ...status, format: "cutover-status/2" },
    { ...status, extra: 1 },
    { ...status, epoch: -1 },
    "{",
    "null",
    `${notePayload(status)} `,
    notePayload(status).replace('"epoch":4', '"__proto__":{"x":1},"epoch":4'),
  ]) {
    assert.deepEqual(parseNotes(data(bad)), []);
  }
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 300 }),
      (text) => void parseNotes(`data: ${text}\nsignature: ${text}`),
    ),
    { numRuns: 500, seed: 3 },
  );
});

test("runs of host names are folded, padded and unpadded numbers apart, in natural order", () => {
  assert.equal(foldHosts(["web10", "web9", "web8", "db", "web1", "web2"]), "db, web1, web2, web8..web10");
  assert.equal(foldHosts(["a01", "a02", "a03", "a3"]), "a01..a03, a3");
  assert.equal(foldHosts(["eu-1.example", "eu-2.example", "eu-3.example"]), "eu-1.example..eu-3.example");
  assert.equal(foldHosts([]), "");
});
