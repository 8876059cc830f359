// The line that approves a plan, where git itself would find it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { approvalTrailer, approvedHashes, namesPlanElsewhere } from "../../../src/model/approval-trailer.ts";

const [a = "", b = ""] = ["a", "b"].map((digit) => `sha256:${digit.repeat(64)}`);
const line = approvalTrailer(a);

test("trailers are whole lines with a whole hash in the last paragraph; several releases have several", () => {
  const several = `Merge\n\ntext\n\n${line}\r\nSigned-off-by: x\ncutover-plan: ${b}\n${line}\n\n`;
  assert.deepEqual(approvedHashes(several), [a, b]);
  for (const text of [
    `t\n\n${line}`,
    `t\n \t\n${line}`,
    `t\n\n${line}\nCo-authored-by: y`,
    `t\n\n(cherry picked from commit abc)\nin a hurry\n${line}`,
  ])
    assert.deepEqual(approvedHashes(text), [a], text);
});

test("a plan that is quoted, or named anywhere but where git has trailers, approves nothing", () => {
  for (const text of [
    line,
    `t\n${line}`,
    `t\n\nI read this:\n${line}`,
    `t\n\n${line}\n\nand so on`,
    `t\n\n${line}\n\nCo-authored-by: y`,
    `t\n\n  ${line}`,
    `t\n\nReviewed: x\n  ${line}`,
    `t\n\n${line}\n  or not`,
  ]) {
    assert.deepEqual(approvedHashes(text), [], text);
    assert.ok(namesPlanElsewhere(text), text);
  }
  for (const text of [`t\n\nsee ${line}`, `t\n\n${line}0`, "t\n\nCutover-Plan: sha256:", ""])
    assert.deepEqual(approvedHashes(text), [], text);
  assert.ok(!namesPlanElsewhere(`t\n\n${line}`));
});

test("what is no digest never becomes a line of a message", () => {
  assert.doesNotMatch(approvalTrailer(`${a}\nX: y`), /sha256|\n/);
});
