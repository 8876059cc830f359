// Patches as the controller gets them: published and downloaded, made on demand, kept, and found damaged.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { patchTools } from "../../src/adapters/patch-tools.ts";
import { artifactRepository } from "../../src/package/artifact-repository.ts";
import { patchPath, payloadPath } from "../../src/package/layout.ts";
import { encodeManifest, parseManifest } from "../../src/package/manifest.ts";
import { trimCache } from "../../src/package/payload-cache.ts";
import { parseTransferList } from "../../src/package/transfer-list.ts";
import type { PatchToolPort } from "../../src/ports.ts";
import { applyPatch } from "../support/apply-patch.ts";
import { type Files, type Publishing, withPublishing } from "../support/published-release.ts";

const common = Buffer.from(Array.from({ length: 4_000 }, (_, index) => `line ${index * 7919}\n`).join(""));
const patches = { tools: patchTools(), from: 3, effort: "fast" } as const;

function filesOf(version: string): Files {
  return { "bin/run": `#!/bin/sh\necho ${version}\n`, "lib/data": Buffer.concat([common, Buffer.from(version)]) };
}

/** Three versions, the last with patches from the others. */
async function publishThree(publishing: Publishing): Promise<string[]> {
  const trees: string[] = [];
  for (const version of ["1.0", "2.0", "3.0"]) {
    const options = version === "3.0" ? { patches } : {};
    trees.push((await publishing.publish({ version, files: filesOf(version), options })).tree);
  }
  return trees;
}

async function assertLeadsTo(publishing: Publishing, patch: string, [from, to]: readonly [string, string]) {
  const source = {
    digest: "sha256:0" as const,
    entries: parseManifest((await publishing.repository.release("web", from)).manifest),
    locate: ({ path }: { path: string }) => join(publishing.folder, "trees", `web-${from}`, path),
  };
  const { manifest } = await publishing.repository.release("web", to);
  assert.equal(encodeManifest(await applyPatch(patch, source)), manifest);
}

test("a published patch is downloaded once, checked, and made good when the kept file is damaged (F21)", () =>
  withPublishing(async (publishing) => {
    const [first, , third = ""] = await publishThree(publishing);
    const { text } = (await publishing.repository.transfers(third)) ?? { text: "" };
    const listed = parseTransferList(text).patches.find(({ from }) => from === first);
    assert.ok(listed);
    const file = await publishing.repository.patch(third, listed);
    assert.equal(file.base, first);
    assert.equal(file.codec, "patch");
    await assertLeadsTo(publishing, file.path, ["1.0", "3.0"]);
    const bytes = await readFile(file.path);
    await writeFile(file.path, "damaged");
    assert.deepEqual(await publishing.repository.patch(third, listed), file);
    assert.deepEqual(await readFile(file.path), bytes);

    const stored = join(
      publishing.storeDirectory,
      patchPath({ ...listed, from: listed.from as never, to: third as never }),
    );
    await truncate(stored, bytes.length - 1);
    await writeFile(file.path, "damaged");
    await assert.rejects(publishing.repository.patch(third, listed), { code: "artifact-corrupt" });
    await assert.rejects(publishing.repository.patch(first ?? "", listed), { code: "artifact-incomplete" });
    assert.equal(await publishing.repository.transfers(first ?? ""), undefined);
  }));

test("a pair that nobody published is made once, from both full artifacts, and kept; nothing else stays in the cache", () =>
  withPublishing(async (publishing) => {
    const [first = "", second = ""] = await publishThree(publishing);
    let runs = 0;
    const real = patchTools();
    const tools: PatchToolPort = {
      ...real,
      zstd: async (input) => {
        runs += 1;
        await real.zstd(input);
      },
    };
    const cacheDirectory = join(publishing.folder, "cache");
    const repository = () => artifactRepository({ store: publishing.store, cacheDirectory, tools });
    const seen: number[] = [];
    const pair = {
      from: first,
      to: second,
      variant: "zstd-bsdiff",
      onProgress: ({ done }: { done: number }) => seen.push(done),
    } as const;
    const asked = repository();
    const [made, again] = await Promise.all([asked.makePatch(pair), asked.makePatch(pair)]);
    assert.deepEqual(made, again);
    const needed = runs;
    assert.deepEqual(await repository().makePatch(pair), made, "also in the next process");
    assert.equal(runs, needed);
    assert.ok(seen.length > 0 && seen.every((done, index) => done >= (seen[index - 1] ?? 0)));
    await assertLeadsTo(publishing, made.path, ["1.0", "2.0"]);
    assert.ok((made.memoryMib ?? 0) >= 16 && (made.memoryMib ?? 0) <= 1024);
    assert.deepEqual(
      (await readdir(cacheDirectory)).filter((name) => name.startsWith("making-")),
      [],
    );
  }));

test("a full artifact that is not that of its manifest makes no patch, and leaves nothing", () =>
  withPublishing(async (publishing) => {
    const [first = "", second = ""] = await publishThree(publishing);
    const at = (tree: string) => join(publishing.storeDirectory, payloadPath(tree as `sha256:${string}`));
    await writeFile(at(first), await readFile(at(second)));
    const { repository } = publishing;
    await assert.rejects(repository.makePatch({ from: first, to: second, variant: "zstd" }), {
      code: "payload-damaged",
    });
    const kept = await readdir(join(publishing.folder, "cache"));
    assert.deepEqual(
      kept.filter((name) => !name.includes(".tar.zstd")),
      [],
    );
  }));

test("what is asked to stop, stops, and the same pair can be asked for again", () =>
  withPublishing(async (publishing) => {
    const [first = "", second = ""] = await publishThree(publishing);
    const { repository } = publishing;
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(repository.makePatch({ from: first, to: second, variant: "zstd", signal }), /enough/);
    await repository.makePatch({ from: first, to: second, variant: "zstd" });
  }));

test("a chain is one payload, kept like any other", () =>
  withPublishing(async (publishing) => {
    const [first = "", second = "", third = ""] = await publishThree(publishing);
    const { repository } = publishing;
    const one = await repository.makePatch({ from: first, to: second, variant: "zstd" });
    const two = await repository.makePatch({ from: second, to: third, variant: "zstd" });
    const stages = [
      { patch: one, to: second },
      { patch: two, to: third },
    ];
    const chain = await repository.chain(stages);
    assert.equal(chain.base, first);
    assert.ok(chain.bytes > one.bytes + two.bytes);
    assert.deepEqual(await repository.chain(stages), chain);
  }));

test("the cache is cut back to its bound, the longest unused first, but not what a run may be sending", () =>
  withPublishing(async (publishing) => {
    const [first = "", second = ""] = await publishThree(publishing);
    const { repository } = publishing;
    const directory = join(publishing.folder, "cache");
    const old = await repository.payload(first, "zstd");
    await repository.payload(second, "zstd");
    await mkdir(join(directory, "making-left"));
    await trimCache(directory, { maxBytes: 0, now: Date.now() });
    assert.equal((await readdir(directory)).length, 5, "used today");
    const tomorrow = Date.now() + 25 * 3_600_000;
    await trimCache(directory, { maxBytes: old.bytes + 1, now: tomorrow });
    assert.equal((await readdir(directory)).length, 2);
    await trimCache(directory, { maxBytes: 0, now: tomorrow });
    assert.deepEqual(await readdir(directory), []);
  }));
