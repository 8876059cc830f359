import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeValue,
  encodeKeyValues,
  encodeValue,
  MalformedTextError,
  parseKeyValues,
} from "../../../src/model/key-values.ts";

const key = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);
const value = fc
  .string({ unit: "grapheme", minLength: 1 })
  .filter((text) => !text.includes("\0") && text.isWellFormed());

test("any entries survive being written and read, and come back sorted", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name }), (entries) => {
      const text = encodeKeyValues(entries);
      assert.deepEqual(new Map(parseKeyValues(text)), new Map(entries));
      assert.equal(encodeKeyValues(parseKeyValues(text)), text);
      assert.equal(encodeKeyValues([...entries].reverse()), text, "order of the entries does not matter");
    }),
  );
});

test("an encoded value is printable ASCII without spaces, and decodes to itself", () => {
  fc.assert(
    fc.property(value, (text) => {
      assert.match(encodeValue(text), /^[!-~]+$/);
      assert.equal(decodeValue(encodeValue(text)), text);
    }),
  );
});

const malformed: readonly [why: string, text: string, line: number][] = [
  ["no newline at the end", "a 1", 1],
  ["carriage returns", "a 1\r\n", 1],
  ["an empty line", "a 1\n\nb 2\n", 2],
  ["only a newline", "\n", 1],
  ["no value", "a \n", 1],
  ["no space", "a\n", 1],
  ["a key in upper case", "A 1\n", 1],
  ["a key that starts with a dash", "-a 1\n", 1],
  ["two spaces", "a  1\n", 1],
  ["a space in the value", "a 1 2\n", 1],
  ["a tab", "a\t1\n", 1],
  ["lines out of order", "b 1\na 1\n", 2],
  ["the same line twice", "a 1\na 1\n", 2],
  ["a key twice", "a 1\na 2\n", 2],
  ["a byte that should be encoded", "a $x\n", 1],
  ["bytes outside ASCII", "a é\n", 1],
  ["a half percent sign", "a 1%2\n", 1],
  ["lower-case hex", "a %2f\n", 1],
  ["an encoded byte that needs no encoding", "a %41\n", 1],
  ["NUL", "a %00\n", 1],
  ["bytes that are not UTF-8", "a %FF\n", 1],
];
for (const [why, text, line] of malformed) {
  test(`a text with ${why} is refused, naming the line`, () => {
    assert.throws(
      () => parseKeyValues(text),
      (error) => error instanceof MalformedTextError && error.line === line,
    );
  });
}

test("a key repeats only where the reader says so", () => {
  assert.deepEqual(parseKeyValues("host a\nhost b\n", { repeats: ["host"] }), [
    ["host", "a"],
    ["host", "b"],
  ]);
});

test("nothing is written that could not be read back", () => {
  assert.throws(() => encodeKeyValues([["a", ""]]), /no value/);
  assert.throws(() => encodeKeyValues([["A", "1"]]), /not a key/);
  assert.throws(() => encodeKeyValues([["a", "x\0"]]), /NUL/);
  assert.throws(
    () =>
      encodeKeyValues([
        ["a", "1"],
        ["a", "1"],
      ]),
    /twice/,
  );
  assert.throws(() => encodeKeyValues([["a", "x".repeat(300_000)]]), /longer/);
  assert.throws(() => parseKeyValues(`a ${"x".repeat(300_000)}\n`), /longer/);
});
