// What a tar may make its reader keep in memory is refused by its announcement, before any of it is taken.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { boundTarHeaders } from "../../../src/package/bound-tar-headers.ts";
import { makeTar, pax, type TarMember } from "../../support/tar-block.ts";

/** Bytes that came through, in pieces of `pieceBytes`. */
async function passed(tar: Buffer, pieceBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let at = 0; at < tar.length; at += pieceBytes) pieces.push(tar.subarray(at, at + pieceBytes));
  const through: Buffer[] = [];
  await pipeline(Readable.from(pieces), boundTarHeaders(), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) through.push(chunk);
  });
  return Buffer.concat(through);
}

const honest: TarMember[] = [
  { name: "a/", type: "5" },
  { name: "a/b", content: "x".repeat(700) },
  pax({ path: `a/${"n".repeat(300)}` }),
  { name: "a/n", content: Buffer.alloc(100_000, "g") },
  { name: "l", type: "2", link: "a/b" },
];

test("an archive passes as it is, however it is cut", async () => {
  const tar = makeTar(honest);
  for (const bytes of [1, 511, 513, 65_536]) assert.deepEqual(await passed(tar, bytes), tar);
});

test("a pax record or a long name above 64 KiB is refused by its header, wherever it stands (T13)", async () => {
  for (const type of ["x", "g", "L", "N", "K"]) {
    const tar = makeTar([...honest, { name: "h", type, size: 65_537 }]);
    await assert.rejects(passed(tar, 4_096), /tar header of 65537 bytes/, type);
    await passed(makeTar([{ name: "h", type, content: Buffer.alloc(65_536) }]), 4_096);
  }
});

test("a size that two readers could read in two ways is refused", async () => {
  for (const size of ["77x", "1 0000000001", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]) {
    const tar = makeTar([{ name: "h", type: "x" }]);
    tar.fill(0, 124, 136).write(size, 124, "latin1");
    await assert.rejects(passed(tar, 512), /size/, JSON.stringify(size));
  }
});
