import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { compressor } from "../../../src/package/compress.ts";
import { encodeManifest, parseManifest } from "../../../src/package/manifest.ts";
import { writePayload } from "../../../src/package/payload.ts";
import { scanTree } from "../../../src/package/scan-tree.ts";

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "cutover-scan-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const files = ["z/y/x", "a", "é/ü", "z/b", "B"];

async function makeTree(folder: string, { order, umask }: { order: readonly string[]; umask: number }): Promise<void> {
  const before = process.umask(umask);
  try {
    for (const path of order) {
      await mkdir(join(folder, path, ".."), { recursive: true });
      await writeFile(join(folder, path), `content of ${path}`, { mode: path === "a" ? 0o777 : 0o666 });
    }
    await symlink("z/y", join(folder, "link"));
  } finally {
    process.umask(before);
  }
}

test("the same tree has the same manifest and payload, whatever the umask and the order in which it was made", () =>
  withFolder(async (folder) => {
    const seen = new Set<string>();
    const variants = [
      { order: files, umask: 0o022 },
      { order: [...files].reverse(), umask: 0o077 },
      { order: files, umask: 0o000 },
    ];
    for (const [index, variant] of variants.entries()) {
      const directory = join(folder, `${index}`);
      await mkdir(directory);
      await makeTree(directory, variant);
      const manifest = encodeManifest(await scanTree(directory));
      const payload = await writePayload({
        directory,
        entries: parseManifest(manifest),
        codec: "zstd",
        target: join(folder, `${index}.zst`),
      });
      seen.add(`${payload.digest}\n${manifest}`);
    }
    assert.equal(seen.size, 1);
    assert.match([...seen].join(), /^a f 0755 12 /m);
    assert.match([...seen].join(), /^B f 0644 12 /m);
  }));

for (const codec of ["zstd", "gzip", "xz", "none"] as const) {
  test(`a ${codec} payload unpacks to the tree it was made of, long and foreign names included`, () =>
    withFolder(async (folder) => {
      const source = join(folder, "source");
      const long = `${"d".repeat(120)}/${"e".repeat(120)}/${"f".repeat(101)}`;
      await mkdir(source);
      await makeTree(source, { order: [...files, long, "empty/file"], umask: 0o022 });
      await writeFile(join(source, "empty/file"), "");
      const manifest = encodeManifest(await scanTree(source));
      const target = join(folder, "payload");
      const payload = await writePayload({ directory: source, entries: parseManifest(manifest), codec, target });
      const unpacked = join(folder, "unpacked");
      await mkdir(unpacked);
      const flag = { zstd: ["--zstd"], gzip: ["-z"], xz: ["-J"], none: [] }[codec];
      execFileSync("tar", [...flag, "-x", "-f", target, "-C", unpacked]);
      assert.equal(encodeManifest(await scanTree(unpacked)), manifest);
      assert.ok(payload.outputBytes % 512 === 0);
    }));
}

test("a file that changes between scan and packing stops the publication and leaves no file behind", () =>
  withFolder(async (folder) => {
    const directory = join(folder, "tree");
    await mkdir(directory);
    await writeFile(join(directory, "a"), "one");
    const entries = await scanTree(directory);
    for (const content of ["two", "longer", ""]) {
      await writeFile(join(directory, "a"), content);
      const target = join(folder, "out", "payload");
      await assert.rejects(writePayload({ directory, entries, codec: "gzip", target }), { code: "tree-changed" });
      assert.equal(execFileSync("ls", [join(folder, "out")]).toString(), "");
    }
  }));

test("pipes, sockets and setuid files are refused by name (T15)", () =>
  withFolder(async (folder) => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    await assert.rejects(scanTree(folder), { code: "unsafe-tree", message: /"pipe": a pipe/ });
    await rm(join(folder, "pipe"));

    const server = createServer().listen(join(folder, "socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    await assert.rejects(scanTree(folder), { code: "unsafe-tree", message: /"socket": a socket/ });
    await new Promise((resolve) => server.close(resolve));

    for (const mode of [0o4755, 0o2755]) {
      await writeFile(join(folder, "tool"), "");
      await chmod(join(folder, "tool"), mode);
      await assert.rejects(scanTree(folder), { code: "unsafe-tree", message: /"tool": setuid/ });
    }
  }));

test("a name that is not UTF-8 is refused (T15)", () =>
  withFolder(async (folder) => {
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x61, 0xff])]), "");
    await assert.rejects(scanTree(folder), { code: "unsafe-tree", message: /not UTF-8/ });
  }));

test("newlines, backslashes, escaping links and the verified marker are refused before anything is signed (T15)", () =>
  withFolder(async (folder) => {
    for (const name of ["a\nb", "a\\b", ".cutover-verified"]) {
      await writeFile(join(folder, name), "");
      const entries = await scanTree(folder);
      assert.throws(() => encodeManifest(entries), { code: "unsafe-tree" });
      await rm(join(folder, name));
    }
    for (const target of ["/etc/passwd", "../x"]) {
      await symlink(target, join(folder, "link"));
      const entries = await scanTree(folder);
      assert.throws(() => encodeManifest(entries), { code: "unsafe-tree" });
      await rm(join(folder, "link"));
    }
  }));

test("a zstd payload is one frame, however its tar arrives", async () => {
  const content = Buffer.alloc(200_000, "cutover ");
  const seen = new Set<string>();
  for (const pieces of [1, 2, 3, 7, 50]) {
    const size = Math.ceil(content.length / pieces);
    const chunks = Array.from({ length: pieces }, (_, index) => content.subarray(index * size, (index + 1) * size));
    const packed = await Readable.from(chunks)
      .pipe(compressor({ codec: "zstd" }))
      .toArray();
    seen.add(Buffer.concat(packed).toString("hex"));
  }
  assert.equal(seen.size, 1);
});
