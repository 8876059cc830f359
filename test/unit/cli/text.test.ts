// The one place where text is escaped, coloured and fitted.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { safeJson, wantsColor } from "../../../src/cli/output.ts";
import { cutText, escapeText, styled, textWidth, toText } from "../../../src/cli/text.ts";

const plain = { color: false, width: undefined, overflow: "wrap" } as const;
const printable = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u;

test("no control, bidirectional or invisible character of any text reaches the terminal raw (T26)", () => {
  const hostile = fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)), maxLength: 60 });
  fc.assert(
    fc.property(hostile, fc.boolean(), (text, isStyled) => {
      const [row = ""] = toText([[isStyled ? styled(text, "bad") : text]], plain);
      return printable.test(row);
    }),
  );
  assert.equal(escapeText("\u001b[2J\u009b1mok\u202e\r\n"), "\\u{1b}[2J\\u{9b}1mok\\u{202e}\\u{d}\\u{a}");
});

test("a cut row never needs more columns than there are, whatever it holds", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme", maxLength: 30 }), { maxLength: 6 }),
      fc.nat(60),
      (spans, more) => {
        const width = more + 1;
        return toText([spans], { color: false, width, overflow: "cut" }).every((row) => textWidth(row) <= width);
      },
    ),
  );
  assert.equal(cutText("abcdef", 4), "abc…");
  assert.equal(textWidth("日本"), 4);
});

test("a wrapped row loses no word, and a digest stays in one piece", () => {
  const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
  const rows = toText([[`  plan ${digest} was made from these words`]], { color: false, width: 30, overflow: "wrap" });
  assert.ok(rows.some((row) => row.trim() === digest));
  assert.equal(rows.join(" ").replace(/\s+/g, " ").trim(), `plan ${digest} was made from these words`);
});

test("without colour there is not a single escape character; with it every row ends uncoloured", () => {
  const line = [styled("error:", "bad"), " text"];
  assert.deepEqual(toText([line], plain), ["error: text"]);
  assert.deepEqual(toText([line], { ...plain, color: true }), ["\u001b[31merror:\u001b[0m text"]);
});

test("NO_COLOR, --no-color, a dumb terminal and a pipe each switch colours off", () => {
  const sink = { isTTY: true, columns: 80, rows: 24, write: () => {} };
  assert.equal(wantsColor(sink, {}, true), true);
  assert.equal(wantsColor(sink, { NO_COLOR: "1" }, true), false);
  assert.equal(wantsColor(sink, { NO_COLOR: "" }, true), true);
  assert.equal(wantsColor(sink, { TERM: "dumb" }, true), false);
  assert.equal(wantsColor(sink, {}, false), false);
  assert.equal(wantsColor({ ...sink, isTTY: false }, {}, true), false);
});

test("JSON stays JSON with the same meaning, and holds nothing that a terminal obeys (T26)", () => {
  const value = { evidence: "a\u001b[31m\u009b2J\u007f\u202e\u2028\u{e0001}é日" };
  const text = safeJson(value);
  assert.match(text, printable);
  assert.deepEqual(JSON.parse(text), value);
});
