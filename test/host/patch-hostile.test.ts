// Patches that no honest publisher makes, behind valid signatures. Whatever an index or a blob says: the signed tree or a refusal by name, nothing
// outside, the old version as it was, and no decoder with more memory or output than signed.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodePatch, type HandMadeStage, stageBetween } from "../support/hand-made-patch.ts";
import { applyPatches, buildFull, type PatchCase, treeState } from "../support/host-patches.ts";
import { digest, manifestOf, sha256, type TreeEntry, withHost } from "../support/host-session.ts";
import { newTree, noise, oldTree } from "../support/patch-trees.ts";
import { inTurn, shells } from "../support/shells.ts";
import { zstdZeros } from "../support/zstd-zeros.ts";

const honest = stageBetween(oldTree, newTree);
const payload = encodePatch([honest]);
const refusals = /^(65 (patch-corrupt|verify-failed|output-too-long|decoder-failed|bad-manifest)|71 decoder-failed) /;

/** Index lines put before the honest ones. */
function indexLines(out: string): Record<string, readonly string[]> {
  return {
    "a directory above": ["dir ../x 0755"],
    "a directory at an absolute path": [`dir ${out}/x 0755`],
    "a file's copy above": ["copy bin/tool ../escaped 0644"],
    "a copy to an absolute path": [`copy bin/tool ${out}/escaped 0644`],
    "a copy from an absolute path": [`copy ${out}/secret secret 0644`],
    "a copy from above": ["copy ../../../outside/secret secret 0644"],
    "a copy from a link of the base": ["copy share/link secret 0644"],
    "a copy from a directory": ["copy bin secret 0644"],
    "a copy from nowhere": ["copy nowhere secret 0644"],
    "a copy through a link of the base": ["copy bin/tool share/link%20then%20dir/escaped 0644"],
    "a link at an absolute path": [`link ${out}/x y`],
    "a link out, then a copy through it": [`link share/out ${out}`, "copy bin/tool share/out/escaped 0644"],
    "a link that climbs": ["link share/out ../../../outside"],
    "a path with an empty segment": ["dir share//x 0755"],
    "a path with a dot": ["dir ./x 0755"],
    "an encoded climb": ["dir %2E%2E/x 0755"],
    "an encoded slash": ["dir x%2Fy 0755"],
    "a newline in a name": ["dir x%0Ay 0755"],
    "a NUL in a name": ["dir x%00y 0755"],
    "a backslash in a name": ["dir x%5Cy 0755"],
    "a glob": ["dir * 0755"],
    "the marker": ["copy bin/tool .cutover-verified 0444"],
    "the marker as a directory": ["dir .cutover-verified 0755"],
    "the marker's end": ["gone .cutover-verified"],
    "the end of something outside": ["gone ../../../outside/secret"],
    "the end of an absolute path": [`gone ${out}/secret`],
    "the end of a directory whose entries stay": ["gone bin"],
    "an end twice": ["gone gone"],
    "a directory twice": ["dir twice 0755", "dir twice 0755"],
    "a directory over a file": ["dir bin/tool 0755"],
    "a directory over a file of the patch": ["dir bin/app 0755"],
    "a file below a file": ["copy bin/tool bin/app/x 0644"],
    setuid: ["copy bin/tool suid 4755"],
    "a mode that is none": ["dir x 755"],
    "a word that nobody knows": ["fifo x 0644"],
    "an empty line": [""],
    "a trailing space": ["dir x 0755 "],
    "two spaces": ["dir  x 0755"],
    "a tab": ["dir\tx 0755"],
    "a reference without a group": ["ref bin/app"],
    "a file without a group": ["file x 0644 0"],
    "an option as a path": ["copy bin/tool --help 0644"],
  };
}

const x: TreeEntry = { path: "x", content: "0123456789" };
/** Groups put behind the honest ones. */
const groups: Record<string, NonNullable<HandMadeStage["groups"]>[number]> = {
  "sizes below the output": {
    codec: "none",
    files: [],
    blob: Buffer.from("0123456789"),
    lines: ["group none 10 10", "file x 0644 9"],
  },
  "sizes above the output": {
    codec: "none",
    files: [],
    blob: Buffer.from("0123456789"),
    lines: ["group none 10 10", "file x 0644 11"],
  },
  "sizes that overflow": {
    codec: "none",
    files: [],
    blob: Buffer.from("0123456789"),
    lines: ["group none 10 10", "file x 0644 999999999999999", "file y 0644 999999999999999"],
  },
  "a negative size": {
    codec: "none",
    files: [],
    blob: Buffer.from("0123456789"),
    lines: ["group none 10 10", "file x 0644 -1", "file y 0644 11"],
  },
  "a blob past the end": {
    codec: "none",
    files: [x],
    blob: Buffer.from("0123456789"),
    lines: ["group none 11 10", "file x 0644 10"],
  },
  "a blob far past the end": {
    codec: "none",
    files: [x],
    blob: Buffer.alloc(0),
    lines: ["group none 999999999999999 10", "file x 0644 10"],
  },
  "no file": { codec: "none", files: [], blob: Buffer.alloc(0), lines: ["group none 0 0"] },
  "an unknown codec": { codec: "none", files: [x], blob: Buffer.alloc(0), lines: ["group sh 0 10", "file x 0644 10"] },
  "a reference outside": {
    codec: "bsdiff",
    reference: [],
    files: [x],
    blob: Buffer.alloc(0),
    lines: ["group bsdiff 0 10", "ref ../../../outside/secret", "file x 0644 10"],
  },
  "a reference that is a link": {
    codec: "bsdiff",
    files: [x],
    blob: Buffer.alloc(0),
    lines: ["group bsdiff 0 10", "ref share/link", "file x 0644 10"],
  },
  "the same paths, which the base has not": {
    codec: "bsdiff",
    files: [x],
    blob: Buffer.alloc(0),
    lines: ["group bsdiff 0 10", "same", "file x 0644 10"],
  },
  "a codec without its reference": {
    codec: "zstd-patch",
    files: [x],
    blob: Buffer.alloc(0),
    lines: ["group zstd-patch 0 10", "file x 0644 10"],
  },
  "a reference that a codec cannot use": {
    codec: "zstd",
    files: [x],
    lines: ["group zstd 23 10", "ref bin/app", "file x 0644 10"],
  },
  "more reference than memory": {
    codec: "bsdiff",
    files: [x],
    blob: Buffer.alloc(0),
    lines: ["group bsdiff 0 10", ...Array.from({ length: 1_400 }, () => "ref bin/app"), "file x 0644 10"],
  },
  "the path of another group": { codec: "none", files: [{ ...x, path: "bin/app" }] },
  "T5: a group that decodes to more than it says": { codec: "zstd", files: [x], blob: zstdZeros({ bytes: 1 << 30 }) },
  "T5: a group that decodes to less than it says": {
    codec: "gzip",
    files: [{ path: "x", content: noise(7, 100) }],
    lines: ["group gzip 123 200", "file x 0644 200"],
  },
  "T5: more output than signed": {
    codec: "zstd",
    files: [x],
    blob: zstdZeros({ bytes: 1 << 30 }),
    lines: ["group zstd 32779 1073741824", "file x 0644 1073741824"],
  },
  "T13: a window of 2 GiB": { codec: "zstd", files: [x], blob: zstdZeros({ bytes: 10, windowLog: 31 }) },
  "T13: a window of 2 GiB against a reference": {
    codec: "zstd-patch",
    reference: ["bin/app"],
    files: [x],
    blob: zstdZeros({ bytes: 10, windowLog: 31 }),
  },
  "a blob that is none": { codec: "zstd", files: [x], blob: Buffer.from("hello") },
  "T12: a bsdiff that is none": { codec: "bsdiff", reference: ["bin/app"], files: [x], blob: Buffer.from("hello") },
  "T12: a bsdiff that says a huge size": {
    codec: "bsdiff",
    reference: ["bin/app"],
    files: [x],
    blob: Buffer.concat([Buffer.from("BSDIFF40"), Buffer.alloc(16), Buffer.from("ffffffffffffff7f", "hex")]),
  },
};

/** Stages that are wrong as a whole. */
const stages: Record<string, readonly HandMadeStage[]> = {
  "no stage": [],
  "a header of another version": [
    { ...honest, header: (index, packed) => `cutover-patch/2 - zstd ${packed.length} ${index.length}\n` },
  ],
  "a header that unpacks to more": [
    { ...honest, header: (index, packed) => `cutover-patch/1 - zstd ${packed.length} ${index.length + 1}\n` },
  ],
  "a header that unpacks to less": [
    { ...honest, header: (index, packed) => `cutover-patch/1 - zstd ${packed.length} ${index.length - 1}\n` },
  ],
  "a header with a huge index": [
    { ...honest, header: (_, packed) => `cutover-patch/1 - zstd ${packed.length} 999999999999\n` },
  ],
  "a header with a negative length": [{ ...honest, header: (index) => `cutover-patch/1 - zstd -5 ${index.length}\n` }],
  "a header with one word more": [
    { ...honest, header: (index, packed) => `cutover-patch/1 - zstd ${packed.length} ${index.length} x\n` },
  ],
  "a last stage that names its tree": [{ ...honest, to: digest(manifestOf(newTree)) }],
  "a stage behind the last one": [honest, honest],
  "a stage that leads elsewhere than it says": [{ ...honest, to: digest("other") }, honest],
  "the index of another base": [stageBetween(newTree, oldTree)],
  "an index that changes nothing": [{ lines: [] }],
  "sixteen stages that change nothing, and one": [
    ...Array.from({ length: 16 }, () => ({ to: digest(manifestOf(oldTree)) })),
    honest,
  ],
};

/** What a release key could sign although it is no tree: the index is honest about it. */
const manifests: Record<string, string> = {
  "a path above": `../escaped f 0755 5 ${sha256("tool\n")}\n`,
  "an absolute path": `/escaped f 0755 5 ${sha256("tool\n")}\n`,
  "a file below a link": `share/link/escaped f 0755 5 ${sha256("tool\n")}\n`,
  "the marker": `.cutover-verified f 0755 5 ${sha256("tool\n")}\n`,
};

for (const shell of shells) {
  const test = inTurn(shell.name);
  test(`${shell.name}: T5, T12, T13: hostile patches are refused by name, write nothing outside and leave the old version as it was`, () =>
    withHost(shell, {}, async (host) => {
      const out = join(host.directory, "outside");
      await mkdir(out);
      await writeFile(join(out, "secret"), "secret");
      const session = await host.session({});
      await buildFull(host, session, "v1", oldTree);
      await session.end();
      const before = [treeState(out), treeState(host.root)].join("\n");
      const signed = (made: readonly HandMadeStage[]): PatchCase => ({
        ...(made.length === 0 ? { payload: Buffer.from("\n"), outputBytes: 1_000 } : encodePatch(made)),
        outputBytes: 1_000_000,
        to: newTree,
      });
      const all: [string, PatchCase][] = [
        ...Object.entries(indexLines(out)).map(([title, lines]): [string, PatchCase] => [
          title,
          signed([{ ...honest, lines: [...lines, ...(honest.lines ?? [])] }]),
        ]),
        ...Object.entries(groups).map(([title, group]): [string, PatchCase] => [
          title,
          signed([{ ...honest, groups: [...(honest.groups ?? []), group] }]),
        ]),
        ...Object.entries(stages).map(([title, made]): [string, PatchCase] => [title, signed(made)]),
        ...Object.entries(manifests).map(([title, line]): [string, PatchCase] => {
          const manifest = [...manifestOf(oldTree).trimEnd().split("\n"), line.trimEnd()].sort().join("\n");
          const path = line.split(" ")[0];
          return [
            `signed by the release key: ${title}`,
            { ...signed([{ lines: [`copy bin/tool ${path} 0755`] }]), manifest: `${manifest}\n` },
          ];
        }),
        [
          "bytes behind the last stage",
          { ...signed([honest]), payload: Buffer.concat([payload.payload, Buffer.from("x")]) },
        ],
        ["T5: an output cap below what it needs", { ...payload, outputBytes: payload.outputBytes - 1, to: newTree }],
      ];
      // bash and dash run the same awk and the same tools.
      const cases = all.filter((_, index) => shell.name !== "bash" || index % 4 === 0);
      const said = await applyPatches(host, oldTree, [...cases.map(([, one]) => one), { ...payload, to: newTree }]);
      const wrong = cases.flatMap(([title], index) =>
        refusals.test(said[index] ?? "") ? [] : [`${title}: ${said[index]}`],
      );
      assert.deepEqual(wrong, []);
      assert.match(said[cases.length] ?? "", /^0 built/, "the honest one is built after all that");
      assert.equal([treeState(out), treeState(host.root)].join("\n"), before);
      for (const path of ["escaped", "cases/escaped", "srv/escaped"])
        assert.ok(!existsSync(join(host.directory, path)), path);
    }));

  test(`${shell.name}: F20, F21: a patch that is cut or has one bit turned never makes anything but the signed tree`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      await buildFull(host, session, "v1", oldTree);
      await session.end();
      const before = treeState(host.root);
      const length = payload.payload.length;
      const places = Array.from({ length: 16 }, (_, at) => Math.floor((at * length) / 16) + (at % 3));
      const cut = [...places, length - 1].map((at) => ({
        ...payload,
        payload: payload.payload.subarray(0, at),
        to: newTree,
      }));
      const turned = places.map((at, nth) => {
        const bytes = Buffer.from(payload.payload);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (nth % 8));
        return { ...payload, payload: bytes, to: newTree };
      });
      const said = await applyPatches(host, oldTree, [...cut, ...turned]);
      assert.deepEqual(
        said.slice(0, cut.length).filter((line) => !refusals.test(line)),
        [],
      );
      assert.deepEqual(
        said.slice(cut.length).filter((line) => !refusals.test(line)),
        [],
      );
      assert.equal(treeState(host.root), before);
    }));
}
