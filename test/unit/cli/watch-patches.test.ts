import assert from "node:assert/strict";
import { test } from "node:test";
import { makeOutput } from "../../../src/cli/output.ts";
import { type PublishedView, renderPublished } from "../../../src/cli/render-published.ts";
import { toText } from "../../../src/cli/text.ts";
import { watchPatches } from "../../../src/cli/watch-patches.ts";

const megabyte = 1_000_000;

function collect({ isTTY = false, json = false }: { isTTY?: boolean; json?: boolean }) {
  const written: string[] = [];
  const sink = { isTTY, columns: 80, rows: 24, write: (text: string) => void written.push(text) };
  let at = 0;
  const display = watchPatches(makeOutput({ out: sink, err: sink, json, color: false }), () => at);
  return {
    written,
    display,
    report(ms: number, done: number) {
      at = ms;
      display.onProgress({ what: "patch from 1.0", done: done * megabyte, total: 100 * megabyte });
    },
  };
}

test("a patch in the making shows bytes, rate and time left; a line now and then when nobody looks at a picture", () => {
  const { written, report, display } = collect({});
  for (const [ms, done] of [
    [0, 0],
    [1_000, 10],
    [4_000, 40],
    [5_000, 50],
    [6_000, 60],
    [12_000, 90],
  ] as const)
    report(ms, done);
  display.close();
  assert.deepEqual(written, [
    "making patch from 1.0: 50 MB of 100 MB, 10 MB/s, 5.0 s left\n",
    "making patch from 1.0: 90 MB of 100 MB, 7.5 MB/s, 1.3 s left\n",
  ]);
});

test("on a terminal it is one moving row that goes away; beside JSON there is nothing", () => {
  const terminal = collect({ isTTY: true });
  terminal.report(0, 0);
  terminal.display.close();
  assert.match(terminal.written.join(""), /making patch from 1\.0: 0 B of 100 MB/);
  const json = collect({ json: true });
  json.report(0, 0);
  json.report(10_000, 50);
  json.display.close();
  assert.deepEqual(json.written, []);
});

test("what was published says each patch beside the whole, and names the encoders that were missing", () => {
  const view: PublishedView = {
    ...{ outcome: "published", component: "web", version: "2.0", sequence: 4, expires: 1_800_000_000, floor: 2 },
    ...{ tree: "sha256:00", bundle: undefined, files: 2, treeBytes: 10, sentBytes: 5, signatures: 1 },
    ...{ scanMs: 1, packMs: 1, signMs: 1 },
    patches: {
      fullBytes: 3 * megabyte,
      patches: [
        { fromVersion: "1.2", bytes: { zstd: 20_000, "zstd-bsdiff": 9_000 }, outcome: "made" },
        { fromVersion: "1.1", bytes: {}, outcome: "not-smaller" },
        { fromVersion: "1.0", bytes: {}, outcome: "not-possible", reason: "its manifest is missing" },
      ],
      missingTools: ["bsdiff"],
      patchMs: 1_500,
    },
  };
  const text = toText(renderPublished(view), { color: false, width: undefined, overflow: "wrap" });
  assert.equal(text[2], "  sequence  4, floor 2, first use until 2027-01-15T08:00:00Z");
  assert.deepEqual(text.slice(3, 7), [
    "  patches   from 1.2: 20 kB, 9.0 kB with bsdiff instead of 3.0 MB",
    "            from 1.1: none, it would not be smaller than the full 3.0 MB",
    "            from 1.0: none (its manifest is missing), in 1.5 s",
    "  left out  patches with bsdiff, which is not installed here: apt-get install bsdiff",
  ]);
  const linesOf = (more: object) => {
    const { patches } = view;
    const shown = renderPublished({ ...view, ...(patches ? { patches: { ...patches, ...more } } : {}) });
    return toText(shown, { color: false, width: undefined, overflow: "wrap" }).slice(7, -1);
  };
  assert.deepEqual(linesOf({ cosigned: { problem: undefined }, voided: 0 }), [
    "  signed    the co-signer's list of patches, as it is",
  ]);
  assert.deepEqual(linesOf({ cosigned: { problem: "it is damaged" }, voided: 1 }), [
    "  left out  the co-signer's list of patches: it is damaged",
    "  again     the list of patches is a new one: 1 other key must sign it, with --cosigner and this key's .pub file",
  ]);
});
