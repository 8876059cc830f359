// The cache of payloads on a real disk: shared by processes, some of which were killed, and at times full.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { artifactDirectory } from "../../src/adapters/artifact-directory.ts";
import type { PayloadFile } from "../../src/model/transfer.ts";
import { cachedPayload, trimCache } from "../../src/package/payload-cache.ts";
import { unpackContents } from "../../src/package/unpack-contents.ts";
import { writeWhole } from "../../src/package/write-whole.ts";
import { makeTar, pax, type TarMember } from "../support/tar-block.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const hex = sha256("tree");
const hour = 3_600_000;
const full = { code: "lacking", exitCode: 69, evidence: /ENOSPC/, remedy: /^df -h \// };

function makeAt(path: string, text = "payload") {
  return async (): Promise<PayloadFile> => {
    await writeWhole(path, (temporary) => writeFile(temporary, text));
    return { path, codec: "zstd", digest: `sha256:${sha256(text)}`, bytes: text.length, outputBytes: 10 };
  };
}

test("one of two that make the same payload may fail; the other's stays, and is found later", () =>
  withTemporaryDirectory(async (folder) => {
    const path = join(folder, `${hex}.tar.zstd`);
    const started = Promise.withResolvers<void>();
    const made = Promise.withResolvers<void>();
    const failing = cachedPayload(path, "zstd", async () => {
      started.resolve();
      await made.promise;
      throw new Error("broken");
    });
    await started.promise;
    const good = await Promise.all([1, 2].map(() => cachedPayload(path, "zstd", makeAt(path))));
    made.resolve();
    await assert.rejects(failing, /broken/);
    const later = await cachedPayload(path, "zstd", () => Promise.reject(new Error("it is there")));
    assert.deepEqual([good[0], good[1]], [later, later]);
    assert.equal((await readdir(folder)).length, 2);
  }));

test("what killed processes left counts, and goes when nobody can be at work on it; files of others stay", () =>
  withTemporaryDirectory(async (folder) => {
    const names = [
      `${hex}.tar.zstd.00ff.part`,
      `${hex}.tar.zstd.note.part`,
      `${hex}.chain`,
      `${sha256("b")}.patch.note`,
    ];
    const kept = join(folder, `${hex}.tar.zstd`);
    const now = Date.now();
    await cachedPayload(kept, "zstd", makeAt(kept));
    const others = ["notes.txt", `${hex}.tar.zstd`, `${hex}.tar.zstd.note`].sort();
    for (const name of [...names, "notes.txt"]) await writeFile(join(folder, name), "x".repeat(100));
    await trimCache(folder, { maxBytes: 1_000, now });
    assert.equal((await readdir(folder)).length, 7, "somebody may be at work on them");
    await utimes(kept, (now - 25 * hour) / 1_000, (now - 25 * hour) / 1_000);
    await trimCache(folder, { maxBytes: 500, now: now + 2 * hour });
    assert.deepEqual((await readdir(folder)).sort(), others);
    await writeFile(join(folder, `${hex}.chain`), "x".repeat(100));
    await trimCache(folder, { maxBytes: 99, now });
    assert.deepEqual((await readdir(folder)).sort(), [`${hex}.chain`, "notes.txt"].sort(), "what is unfinished counts");
  }));

test("a full disk is this machine's trouble and names the directory, not the artifact's (F21)", () =>
  withTemporaryDirectory(async (folder) => {
    const path = join(folder, `${hex}.tar.zstd`);
    const noRoom = () => writeFile("/dev/full", "x".repeat(100_000)).then(makeAt(path));
    await assert.rejects(cachedPayload(path, "zstd", noRoom), { ...full, remedy: `df -h ${folder}` });
    assert.deepEqual(await readdir(folder), []);
    const store = artifactDirectory(join(folder, "store"));
    await assert.rejects(store.upload("a/b", join(folder, "missing")), { code: "lacking" });
  }));

const entry = { kind: "file", path: "a", mode: 0o644, sizeBytes: 5, sha256: sha256("hello") } as const;

async function unpack(folder: string, members: readonly TarMember[], cutBytes = 0): Promise<string> {
  const payload = join(folder, "payload");
  await writeFile(payload, zstdCompressSync(makeTar(members)));
  if (cutBytes > 0) await truncate(payload, cutBytes);
  const directory = join(folder, "contents");
  await unpackContents({ payload, entries: [entry], wanted: new Set([entry.sha256]), directory });
  return readFile(join(directory, entry.sha256), "utf8");
}

test("an archive is damaged for what it holds only; where it could not be unpacked, the disk is named", () =>
  withTemporaryDirectory(async (folder) => {
    const member = { name: "a", content: "hello" };
    assert.equal(await unpack(folder, [member]), "hello");
    const damaged = { code: "payload-damaged" };
    await assert.rejects(unpack(folder, [{ ...member, content: "hallo" }]), damaged);
    await assert.rejects(unpack(folder, [member], 40), damaged);
    await assert.rejects(unpack(folder, [{ name: "h", type: "x", size: 65_537 }, member]), damaged);
    await assert.rejects(unpack(folder, [pax({ size: "5" }), { ...member, size: 5 }]), damaged);
    await assert.rejects(unpack(folder, [member, member]), damaged);
    await mkdir(join(folder, "contents"), { recursive: true });
    await symlink("/dev/full", join(folder, "contents", `${entry.sha256}.part`));
    await assert.rejects(unpack(folder, [member]), full);
    const gone = { payload: join(folder, "gone"), entries: [entry], wanted: new Set<string>(), directory: folder };
    await assert.rejects(unpackContents(gone), { code: "lacking" });
  }));
