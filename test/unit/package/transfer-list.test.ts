import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransferList } from "../../../src/model/transfer.ts";
import { encodeTransferList, parseTransferList } from "../../../src/package/transfer-list.ts";

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
const list: TransferList = {
  tree: digest("a"),
  fullBytes: 1_000,
  patches: [
    { from: digest("b"), variant: "zstd", digest: digest("c"), bytes: 10, outputBytes: 99, memoryMib: 16 },
    { from: digest("b"), variant: "zstd-bsdiff", digest: digest("d"), bytes: 9, outputBytes: 99, memoryMib: 1024 },
  ],
};

test("a list of transfers has one text, and the text one meaning", () => {
  const text = encodeTransferList(list);
  assert.deepEqual(parseTransferList(text), list);
  assert.equal(encodeTransferList(parseTransferList(text)), text);
  assert.deepEqual(parseTransferList(encodeTransferList({ ...list, patches: [] })).patches, []);
  const many = Array.from(
    { length: 12 },
    (_, index) => ({ ...list.patches[0], bytes: index }) as (typeof list.patches)[0],
  );
  assert.deepEqual(parseTransferList(encodeTransferList({ ...list, patches: many })).patches, many, "in their order");
});

test("whatever is missing, unknown, out of order or out of range in a list of transfers is refused", () => {
  const text = encodeTransferList(list);
  const broken = [
    text.replace("full.bytes 1000\n", ""),
    text.replace("full.bytes 1000", "full.bytes 01000"),
    text.replace(/^patch\.1\.bytes .*\n/m, ""),
    text.replace(/^patch\.1\.(.*)$/gm, "patch.3.$1"),
    text.replace("memory-mib 1024", "memory-mib 1025"),
    text.replace("variant zstd-bsdiff", "variant vcdiff"),
    text.replace("transfers/1", "transfers/2"),
    `${text}zzz 1\n`,
    text.slice(0, -1),
    "",
  ];
  for (const each of broken) assert.throws(() => parseTransferList(each), { code: "malformed-transfers" }, each);
});
