import assert from "node:assert/strict";
import { test } from "node:test";
import { renderError, reportError } from "../../../src/cli/render-error.ts";
import { toText } from "../../../src/cli/text.ts";
import { CutoverError, HostUnreachableError, LackingError, UsageError } from "../../../src/errors.ts";

const plain = { color: false, width: undefined, overflow: "wrap" } as const;
const show = (error: unknown) => toText(renderError(reportError(error)), plain);

test("a failure says what failed, what was seen, what it means, and what to type next", () => {
  const error = new HostUnreachableError(
    { name: "web3", address: "10.0.0.3", port: 22 },
    new Error("connect ETIMEDOUT"),
  );
  assert.deepEqual(show(error), [
    "error: Cannot reach web3 at 10.0.0.3:22 over SSH",
    "  | connect ETIMEDOUT",
    "  Its state is unknown; nothing more is sent to it until it answers",
    "next: cutover host check web3",
  ]);
});

test("each class of error has its exit code", () => {
  const codes = [new UsageError("x"), new LackingError("x", "y"), new TypeError("x"), "thrown text"].map(
    (error) => reportError(error).exitCode,
  );
  assert.deepEqual(codes, [64, 69, 70, 70]);
});

test("a fault of our own says so and how to learn more, without a stack", () => {
  const lines = show(new TypeError("x is undefined"));
  assert.equal(lines[0], "error: cutover met a fault of its own");
  assert.ok(lines.some((line) => line.includes("CUTOVER_DEBUG=1")));
  assert.ok(!lines.join("\n").includes("at file:"));
});

test("long evidence keeps what a check found first and what a program said last, and counts the rest; hostile evidence is made visible (T26)", () => {
  const evidence = [...Array.from({ length: 100 }, (_, index) => `line ${index}`), "\u001b]0;owned\u0007last"].join(
    "\n",
  );
  const lines = show(new CutoverError({ code: "unhealthy", message: "web1 failed", evidence }));
  assert.equal(lines.length, 1 + 1 + 24);
  assert.equal(lines[1], "  | line 0");
  assert.equal(lines[3], "  | … 77 lines left out");
  assert.equal(lines.at(-1), "  | \\u{1b}]0;owned\\u{7}last");
});
