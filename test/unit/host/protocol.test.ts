import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeField,
  encodeField,
  encodeGroups,
  encodeRequest,
  ProtocolError,
  parseGreeting,
  parseProbe,
  parseReply,
  parseTaskEvent,
} from "../../../src/host/protocol.ts";
import type { Task } from "../../../src/model/task.ts";

const task: Task = {
  id: "h1/web/hook-a",
  host: "h1",
  component: "web",
  version: "v1",
  kind: "hook",
  action: "do",
  options: { name: "a" },
};

test("any text survives as a field, and never holds a tab, a newline or an escape", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const field = encodeField(text);
      assert.match(field, /^[!-~]+$/);
      assert.equal(decodeField(field), text);
    }),
  );
});

test("T26: whatever a host says is parsed or refused as ProtocolError, nothing else", () => {
  const fields = fc.array(
    fc.oneof(
      fc.string(),
      fc.constantFrom(
        "ok",
        "err",
        "+",
        "1",
        "-",
        "running",
        "done",
        "do",
        "h1/web/a",
        "%1B[2J",
        "99999999999999999999",
      ),
    ),
    { maxLength: 10 },
  );
  fc.assert(
    fc.property(fields, (words) => {
      for (const parse of [
        () => parseReply(words.join("\t")),
        () => parseGreeting(words.join("\t")),
        () => parseTaskEvent(words),
        () => parseProbe([words]),
      ]) {
        try {
          parse();
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test("a line over 64 KiB is refused both ways", () => {
  assert.throws(() => parseReply(`1\t+\t${"x".repeat(70_000)}`), { code: "host-protocol" });
  assert.throws(() => encodeRequest(1, "probe", "x".repeat(70_000)), { code: "host-protocol" });
});

test("replies are data, ok or err with an exit code by meaning", () => {
  assert.deepEqual(parseReply("4\t+\tkey\ta%20b"), { kind: "data", id: 4, fields: ["key", "a b"] });
  assert.deepEqual(parseReply("4\tok\t12\tneeded\t-"), { kind: "ok", id: 4, ms: 12, fields: ["needed", ""] });
  assert.deepEqual(parseReply("4\terr\t0\t77\twrong-host\t-"), {
    kind: "err",
    id: 4,
    ms: 0,
    code: 77,
    reason: "wrong-host",
    evidence: "",
  });
  assert.throws(() => parseReply("4\terr\t0\t255\tx\t-"), { code: "host-protocol" });
});

test("evidence that was cut inside a character is still shown", () => {
  assert.equal(decodeField("caf%C3"), "caf\uFFFD");
});

test("groups are numbered from 1, options sorted; what hosts do not do is not sent", () => {
  const second: Task = { ...task, kind: "switch", id: "h1/web/switch", options: { deadline: "60", "trial-run": "r1" } };
  assert.equal(
    encodeGroups([[task], [second]]),
    "1\th1/web/hook-a\tdo\thook\tweb\tv1\tname=a\n2\th1/web/switch\tdo\tswitch\tweb\tv1\tdeadline=60\ttrial-run=r1\n",
  );
  assert.throws(() => encodeGroups([[{ ...task, kind: "distribute" }]]), { code: "host-protocol" });
});
