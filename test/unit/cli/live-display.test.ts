import assert from "node:assert/strict";
import { test } from "node:test";
import { makeLiveDisplay } from "../../../src/cli/live-display.ts";

function screen(columns: number, rows: number) {
  const writes: string[] = [];
  return { writes, sink: { isTTY: true, columns, rows, write: (text: string) => void writes.push(text) } };
}

test("a burst of changes is drawn at most once in a tenth of a second", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 10_000 });
  const { writes, sink } = screen(40, 10);
  const display = makeLiveDisplay({ sink, color: false, picture: () => [["picture"]] });
  for (let change = 0; change < 1_000; change++) {
    display.changed();
    context.mock.timers.tick(1);
  }
  display.close();
  assert.ok(writes.length >= 9 && writes.length <= 12, `${writes.length} writes in a second`);
});

test("a redraw goes up exactly the rows it drew, lasting lines stay above, and closing leaves nothing", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 10_000 });
  const { writes, sink } = screen(40, 10);
  const display = makeLiveDisplay({ sink, color: false, picture: () => [["one"], ["two"], ["x".repeat(100)]] });
  display.changed();
  display.print([["failed: web1"]]);
  display.close();
  display.changed();
  assert.equal(writes[0], `\rone\ntwo\n${"x".repeat(38)}…\n`);
  assert.ok(writes[1]?.startsWith("\r\u001b[3A\u001b[Jfailed: web1\none\n"));
  assert.deepEqual(writes.slice(2), ["\r\u001b[3A\u001b[J"]);
});

test("a picture taller than the terminal is cut, so that it never scrolls", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 10_000 });
  const { writes, sink } = screen(20, 5);
  const display = makeLiveDisplay({
    sink,
    color: false,
    picture: () => Array.from({ length: 50 }, (_, row) => [`row ${row}`]),
  });
  display.changed();
  display.close();
  assert.equal(writes[0]?.split("\n").length, 5);
});
