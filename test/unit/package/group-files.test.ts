import assert from "node:assert/strict";
import { test } from "node:test";
import { effortSettings } from "../../../src/package/patch/effort.ts";
import { codecsFor } from "../../../src/package/patch/encode-group.ts";
import type { ChangedFile, FileEntry } from "../../../src/package/patch/find-bases.ts";
import { type FileGroup, groupFiles, joinGroups } from "../../../src/package/patch/group-files.ts";

const mib = 1024 ** 2;
const [fast, best] = (["fast", "best"] as const).map((effort) =>
  effortSettings(effort, { memoryBytes: 16 * 1024 * mib }),
);
const installed = ["zstd", "bsdiff"] as const;

function file(path: string, sizeMib: number): FileEntry {
  return { kind: "file", path, mode: 0o644, sizeBytes: sizeMib * mib, sha256: path };
}

function changed(path: string, sizeMib: number, baseMib?: number): ChangedFile {
  return { file: file(path, sizeMib), base: baseMib === undefined ? undefined : file(path, baseMib) };
}

function group(sizeMib: number, baseMib: number): FileGroup {
  return groupFiles([changed("a", sizeMib, baseMib)], { bigFileBytes: mib })[0] as FileGroup;
}

function pathsOf({ files, references }: FileGroup): string {
  return `${files.map(({ path }) => path)} from ${references.map(({ path }) => path)}`;
}

test("small files go together in the order of their paths, up to 64 MiB of base; big ones alone", () => {
  const small = Array.from({ length: 200 }, (_, index) => changed(`f${1000 - index}`, 0.1, 0.5));
  const groups = groupFiles([changed("big", 3, 2), ...small, changed("grown", 0.1, 1)], { bigFileBytes: mib });
  assert.deepEqual(
    groups.map(({ files, referenceBytes }) => [files.length, referenceBytes / mib]),
    [
      [128, 64],
      [72, 36],
      [1, 2],
      [1, 1],
    ],
  );
  const first = groups[0]?.files.map(({ path }) => path) ?? [];
  assert.deepEqual(first, [...first].sort());
});

test("joined groups name every base once", () => {
  const shared = file("base", 1);
  const groups = groupFiles(
    [{ file: file("b", 1), base: shared }, { file: file("a", 1), base: shared }, changed("c", 1)],
    best ?? { bigFileBytes: 1 },
  );
  assert.equal(groups.length, 3);
  assert.equal(pathsOf(joinGroups(groups)), "a,b,c from base");
});

test("no decoder is asked to hold more than 1024 MiB: what is too big for a patch travels packed (T13)", () => {
  assert.ok(fast && best);
  assert.deepEqual(codecsFor(group(100, 100), { installed, settings: best }), ["bsdiff", "zstd-patch", "none"]);
  assert.deepEqual(codecsFor(group(504, 504), { installed, settings: best }), ["zstd-patch", "none"]);
  assert.deepEqual(codecsFor(group(505, 505), { installed, settings: best }), ["zstd", "none"]);
  assert.deepEqual(codecsFor(group(100, 100), { installed, settings: fast }), ["zstd-patch", "none"]);
  assert.deepEqual(codecsFor(group(4, 4), { installed, settings: fast }), ["bsdiff", "zstd-patch", "none"]);
  assert.deepEqual(codecsFor(group(4, 4), { installed: ["zstd"], settings: fast }), ["zstd-patch", "none"]);
  assert.deepEqual(codecsFor(group(4, 4), { installed: [], settings: fast }), ["none"]);
});
