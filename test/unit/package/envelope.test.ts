import assert from "node:assert/strict";
import { test } from "node:test";
import { type Envelope, encodeEnvelope, parseEnvelope } from "../../../src/package/envelope.ts";

const digest = `sha256:${"b".repeat(64)}`;
const payload = { digest, codec: "zstd", payload: digest, payloadBytes: 10, outputBytes: 20 } as const;
const envelope: Envelope = {
  ...{ component: "web", version: "1.0", epoch: 3, run: "run-1", expires: 1_800_000_000, hosts: ["h1", "h2"] },
  ...{ memoryMib: 256, release: digest, tree: payload, bundle: payload },
};
const text = encodeEnvelope(envelope);

test("an envelope survives being written and read, with and without a bundle", () => {
  assert.deepEqual(parseEnvelope(text), envelope);
  const { bundle: _, ...bare } = envelope;
  assert.deepEqual(parseEnvelope(encodeEnvelope(bare)), bare);
});

test("hosts are a set: neither order nor repetition changes what is signed", () => {
  assert.equal(encodeEnvelope({ ...envelope, hosts: ["h2", "h1", "h2"] }), text);
});

test("every line of an envelope is needed, but for hosts, of which one is", () => {
  const lines = text.trimEnd().split("\n");
  for (const line of lines.filter((each) => !each.startsWith("host "))) {
    const without = lines.filter((other) => other !== line);
    assert.throws(() => parseEnvelope(`${without.join("\n")}\n`), { code: "malformed-envelope" }, line);
  }
  assert.throws(() => parseEnvelope(text.replace(/^host .*\n/gm, "")), { code: "malformed-envelope" });
});

test("unknown keys, another base, another codec and odd numbers are refused", () => {
  const changes: readonly [string | RegExp, string][] = [
    [/$/, "zzz 1\n"],
    ["base none", `base ${digest}`],
    ["tree.codec zstd", "tree.codec rar"],
    ["epoch 3", "epoch 03"],
    ["epoch 3", "epoch 1e3"],
    ["run run-1", "run ../x"],
    ["host h1", "host H1"],
    ["format cutover-envelope/1", "format cutover-envelope/2"],
  ];
  for (const [from, to] of changes)
    assert.throws(() => parseEnvelope(text.replace(from, to)), { code: "malformed-envelope" }, to);
});
