import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  encodeManifest,
  type ManifestEntry,
  parseManifest,
  treeDigest,
  treeSize,
} from "../../../src/package/manifest.ts";

const sha256 = "0".repeat(64);
const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Distinct also when case and Unicode form are ignored. */
const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
  .map((text) => text.normalize("NFC").toLowerCase().normalize("NFC"))
  .filter((text) => !/[/\\\n\0\uFFFD]/.test(text) && text.isWellFormed() && text !== "." && text !== "..");

const tree: fc.Arbitrary<ManifestEntry[]> = fc.uniqueArray(name, { minLength: 1, maxLength: 8 }).chain((names) =>
  fc
    .tuple(
      ...names.map(() =>
        fc.record({ kind: fc.constantFrom("file", "link", "nested"), size: fc.nat(), mode: fc.nat(0o777) }),
      ),
    )
    .map((shapes) =>
      shapes.flatMap(({ kind, size, mode }, index): ManifestEntry[] => {
        const path = names[index] ?? "x";
        if (kind === "link") return [{ kind: "link", path, target: "somewhere" }];
        if (kind === "file") return [{ kind: "file", path, mode, sizeBytes: size, sha256 }];
        return [
          { kind: "directory", path, mode },
          { kind: "link", path: `${path}/up`, target: "../x" },
        ];
      }),
    ),
);

test("any tree survives being written and read; the order of its entries does not matter", () => {
  fc.assert(
    fc.property(tree, (entries) => {
      const text = encodeManifest(entries);
      assert.equal(encodeManifest(parseManifest(text)), text);
      assert.equal(encodeManifest([...entries].reverse()), text);
      assert.equal(parseManifest(text).length, entries.length);
    }),
  );
});

test("directories come before what they hold, also where another name sorts between", () => {
  const entries: ManifestEntry[] = [
    { kind: "file", path: "a/b", mode: 0o644, sizeBytes: 0, sha256: empty },
    { kind: "file", path: "a-b", mode: 0o644, sizeBytes: 0, sha256: empty },
    { kind: "directory", path: "a", mode: 0o755 },
  ];
  assert.deepEqual(
    parseManifest(encodeManifest(entries)).map(({ path }) => path),
    ["a", "a-b", "a/b"],
  );
});

test("the text and the digest of a small tree are what HOST.md says", () => {
  const text = encodeManifest([
    { kind: "link", path: "current", target: "bin/a b" },
    { kind: "directory", path: "bin", mode: 0o755 },
    { kind: "file", path: "bin/a b", mode: 0o644, sizeBytes: 0, sha256: empty },
  ]);
  assert.equal(text, `bin d 0755 0 -\nbin/a%20b f 0644 0 ${empty}\ncurrent l 0777 0 bin/a%20b\n`);
  assert.equal(treeDigest(""), `sha256:${empty}`);
  assert.deepEqual(treeSize(parseManifest(text)), { files: 1, bytes: 0 });
});

const malformed: readonly [why: string, text: string][] = [
  ["no newline at the end", `a f 0644 0 ${sha256}`],
  ["an empty line", `\na f 0644 0 ${sha256}\n`],
  ["lines out of order", `b f 0644 0 ${sha256}\na f 0644 0 ${sha256}\n`],
  ["the same line twice", `a f 0644 0 ${sha256}\na f 0644 0 ${sha256}\n`],
  ["an unknown kind", "a p 0644 0 -\n"],
  ["a hard link", "a h 0644 0 b\n"],
  ["a setuid mode", `a f 4755 0 ${sha256}\n`],
  ["a sticky mode", "a d 1777 0 -\n"],
  ["a mode of three digits", `a f 644 0 ${sha256}\n`],
  ["a size with a leading zero", `a f 0644 01 ${sha256}\n`],
  ["a negative size", `a f 0644 -1 ${sha256}\n`],
  ["a size beyond all numbers", `a f 0644 9999999999999999 ${sha256}\n`],
  ["a digest in upper case", `a f 0644 0 ${"A".repeat(64)}\n`],
  ["a digest that is too short", "a f 0644 0 abc\n"],
  ["a directory with a size", "a d 0755 1 -\n"],
  ["a directory with a digest", `a d 0755 0 ${sha256}\n`],
  ["a link with another mode", "a l 0755 0 b\n"],
  ["a missing field", "a d 0755 0\n"],
  ["one field more", "a d 0755 0 - -\n"],
  ["two spaces", "a  d 0755 0 -\n"],
  ["a path that should be encoded", "a$ d 0755 0 -\n"],
  ["a path that need not be encoded", "%61 d 0755 0 -\n"],
  ["NUL in a path", "a%00 d 0755 0 -\n"],
];
for (const [why, text] of malformed) {
  test(`a manifest with ${why} is refused`, () => {
    assert.throws(() => parseManifest(text), { code: "malformed-manifest" });
  });
}

const unsafe: readonly [why: string, text: string][] = [
  ["an absolute path", `/etc/passwd f 0644 0 ${sha256}\n`],
  ["`..`", `../x f 0644 0 ${sha256}\n`],
  ["`..` inside", `a d 0755 0 -\na/../../x f 0644 0 ${sha256}\n`],
  ["`.`", `./x f 0644 0 ${sha256}\n`],
  ["an empty segment", `a d 0755 0 -\na//b f 0644 0 ${sha256}\n`],
  ["a trailing slash", "a/ d 0755 0 -\n"],
  ["a newline in a name", "a%0Ab d 0755 0 -\n"],
  ["a backslash in a name", "a%5Cb d 0755 0 -\n"],
  ["the host's own marker", `.cutover-verified f 0644 0 ${sha256}\n`],
  ["a file without its directory", `a/b f 0644 0 ${sha256}\n`],
  ["a file below a link", `a l 0777 0 b\na/b f 0644 0 ${sha256}\n`],
  ["a file below a file", `a f 0644 0 ${sha256}\na/b f 0644 0 ${sha256}\n`],
  ["one path twice", `a d 0755 0 -\na f 0644 0 ${sha256}\n`],
  ["names that differ only in case", "A d 0755 0 -\na d 0755 0 -\n"],
  ["names that differ only in Unicode form", "e%CC%81 d 0755 0 -\n%C3%A9 d 0755 0 -\n"],
  ["an absolute link", "a l 0777 0 /etc\n"],
  ["a link that climbs out", "a l 0777 0 ../b\n"],
  ["a link that climbs out from below", "a d 0755 0 -\na/b l 0777 0 ../../c\n"],
  ["a link that climbs behind a name", "a d 0755 0 -\na/b l 0777 0 c/../../..\n"],
  ["a link that climbs through another link", "a d 0755 0 -\na/d l 0777 0 ..\na/x l 0777 0 d/../etc\n"],
  ["a link with an empty segment", "a l 0777 0 b//c\n"],
  ["a newline in a link", "a l 0777 0 b%0Ac\n"],
  ["a name that is too long", `${"a".repeat(256)} d 0755 0 -\n`],
];
for (const [why, text] of unsafe) {
  test(`a tree with ${why} is refused (T15)`, () => {
    const sorted = text.trimEnd().split("\n").sort().join("\n");
    assert.throws(() => parseManifest(`${sorted}\n`), { code: "unsafe-tree" });
  });
}

test("links that stay inside are fine", () => {
  const text = "a d 0755 0 -\na/b l 0777 0 ../c/d\na/e l 0777 0 ..\na/f l 0777 0 ./g\n";
  assert.equal(encodeManifest(parseManifest(text)), text);
});
