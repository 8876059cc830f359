import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import fc from "fast-check";
import { LackingError } from "../../../src/errors.ts";
import { encodeManifest } from "../../../src/package/manifest.ts";
import type { PatchEffort } from "../../../src/package/patch/effort.ts";
import { chainPatches, readPatch } from "../../../src/package/patch/patch-container.ts";
import { encodePatchIndex, type PatchIndex, parsePatchIndex } from "../../../src/package/patch/patch-index.ts";
import type { PatchToolPort } from "../../../src/ports.ts";
import { applyPatch } from "../../support/apply-patch.ts";
import { assertProperty } from "../../support/assert-property.ts";
import { patchesBetween } from "../../support/patch-between.ts";
import { type Leaf, type RandomTree, treePair } from "../../support/random-tree.ts";
import { withTemporaryDirectory } from "../../support/temporary-directory.ts";

function file(content: string | Buffer, mode = 0o644): Leaf {
  return { kind: "file", content: Buffer.from(content), mode };
}

/** Looks random, and is the same in every run. */
function noise(seed: string, bytes: number): Buffer {
  const blocks = Math.ceil(bytes / 32);
  const block = (_: unknown, index: number): Buffer => createHash("sha256").update(`${seed} ${index}`).digest();
  return Buffer.concat(Array.from({ length: blocks }, block)).subarray(0, bytes);
}

function tree(leaves: Readonly<Record<string, Leaf>>): RandomTree {
  return new Map(Object.entries(leaves));
}

async function indexBetween(
  pair: readonly [RandomTree, RandomTree],
  effort: PatchEffort = "fast",
): Promise<PatchIndex> {
  return withTemporaryDirectory(async (folder) => {
    const { made } = await patchesBetween(folder, pair, { effort });
    return (await readPatch(made.get("zstd")?.path ?? "")).index;
  });
}

test("for any pair of trees the patch makes exactly the new one from the old", () =>
  assertProperty(
    fc.tuple(treePair, fc.constantFrom<PatchEffort>("fast", "best")),
    { runs: 20, ms: 3_000 },
    ([pair, effort]) =>
      withTemporaryDirectory(async (folder) => {
        const { from, to, made } = await patchesBetween(folder, pair, { effort });
        assert.ok(made.has("zstd"));
        for (const { path, base } of made.values()) {
          assert.equal(encodeManifest(await applyPatch(path, from)), encodeManifest(to.entries));
          assert.equal(base, from.digest);
        }
      }),
  ));

test("what did not change is not in a patch, what moved is a copy, and what goes is said", async () => {
  const [same, moved] = [file(noise("same", 500)), file(noise("moved", 500))];
  const old = tree({ same, "lib/moved": moved, "lib/gone": file("x"), mode: file("m") });
  const next = tree({ same, "bin/moved": moved, mode: file("m", 0o755), empty: file("") });
  const { groups, ...index } = await indexBetween([old, next]);
  assert.deepEqual(index, {
    gone: ["lib", "lib/gone", "lib/moved"],
    directories: [{ path: "bin", mode: 0o755 }],
    links: [],
    copies: [
      { from: "lib/moved", path: "bin/moved", mode: 0o644 },
      { from: "mode", path: "mode", mode: 0o755 },
    ],
  });
  const empty = { path: "empty", mode: 0o644, sizeBytes: 0 };
  assert.deepEqual(groups, [{ codec: "none", blobBytes: 0, reference: [], files: [empty] }]);
});

test("a file whose name holds a hash is made from its predecessor, wherever it lay", async () => {
  const content = noise("chunk", 20_000);
  const old = tree({ "js/chunk-3F9A2C71.js": file(content), "js/other-00aa11bb.js": file(noise("other", 20_000)) });
  const next = tree({ "assets/chunk-77D0E1B2.js": file(Buffer.concat([content, Buffer.from("!")])) });
  const { groups } = await indexBetween([old, next]);
  assert.deepEqual(
    groups.map(({ codec, reference }) => [codec, reference]),
    [["zstd-patch", ["js/chunk-3F9A2C71.js"]]],
  );
  assert.ok((groups[0]?.blobBytes ?? 0) < 200);
});

test("what no codec makes smaller travels as it is, and the same trees give the same bytes", () =>
  withTemporaryDirectory(async (folder) => {
    const pair = [tree({ a: file(noise("a", 5_000)) }), tree({ a: file(noise("b", 5_000)) })] as const;
    const bytes: Buffer[] = [];
    for (const name of ["first", "second"]) {
      const { made } = await patchesBetween(`${folder}/${name}`, pair);
      bytes.push(await readFile(made.get("zstd")?.path ?? ""));
      assert.deepEqual([...made.keys()], ["zstd"], "bsdiff did not help, so there is no second variant");
    }
    assert.deepEqual(bytes[0], bytes[1]);
    const { groups } = (await readPatch(`${folder}/first/zstd`)).index;
    assert.deepEqual(
      groups.map(({ codec, blobBytes }) => [codec, blobBytes]),
      [["none", 5_000]],
    );
  }));

test("a chain holds the stages as they are, and all but the last name the tree that they lead to", () =>
  withTemporaryDirectory(async (folder) => {
    const trees = ["one", "two", "three"].map((word) => tree({ a: file(noise(word, 300)), word: file(word) }));
    const [first, second, third] = trees as [RandomTree, RandomTree, RandomTree];
    const one = await patchesBetween(`${folder}/1`, [first, second]);
    const two = await patchesBetween(`${folder}/2`, [second, third]);
    const [a, b] = [one.made.get("zstd"), two.made.get("zstd")];
    assert.ok(a && b);
    const stages = [
      { patch: a, to: one.to.digest },
      { patch: b, to: two.to.digest },
    ];
    const chain = await chainPatches({ stages, target: `${folder}/chain` });
    const bytes = await readFile(chain.path, "latin1");
    assert.ok(bytes.startsWith(`cutover-patch/1 ${one.to.digest} `));
    assert.ok(bytes.endsWith(await readFile(b.path, "latin1")));
    assert.equal(chain.bytes, bytes.length);
    assert.equal(chain.base, one.from.digest);
    assert.equal(chain.outputBytes, Math.max(a.outputBytes, b.outputBytes));
  }));

test("an index that the publisher would not have written is malformed", () =>
  withTemporaryDirectory(async (folder) => {
    const { made } = await patchesBetween(folder, [tree({ a: file("1") }), tree({ a: file("2"), b: file("3") })]);
    const { path } = made.get("zstd") ?? { path: "" };
    const { index } = await readPatch(path);
    const text = encodePatchIndex(index);
    assert.deepEqual(parsePatchIndex(text), index);
    for (const broken of [
      "x",
      text.slice(0, -1),
      `${text}\n`,
      text.replace("group ", "group  "),
      `file a 0644 1\n${text}`,
    ])
      assert.throws(() => parsePatchIndex(broken), { code: "malformed-patch" }, broken);
  }));

test("an encoder that fails ends the one beside it, and nothing runs on behind the error", () =>
  withTemporaryDirectory(async (folder) => {
    const text = Buffer.from(noise("text", 9_000).toString("hex"));
    const pair = [tree({ a: file(text) }), tree({ a: file(Buffer.concat([text, text])) })] as const;
    let ended = 0;
    const tools: PatchToolPort = {
      installed: async () => ["zstd", "bsdiff"],
      zstd: async () => {
        throw new LackingError("zstd broke", "");
      },
      bsdiff: async ({ signal }) => {
        if (signal && !signal.aborted) await once(signal, "abort");
        ended += 1;
        throw signal?.reason;
      },
    };
    await assert.rejects(patchesBetween(folder, pair, { tools }), { message: "zstd broke" });
    assert.equal(ended, 1);
  }));
