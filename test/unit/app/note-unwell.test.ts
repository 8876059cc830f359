// Which hosts count against the budget that all runs of a release share (P9).
import assert from "node:assert/strict";
import test from "node:test";
import { noteUnwell, type Unwell } from "../../../src/app/note-unwell.ts";
import type { EventBody } from "../../../src/model/run-event.ts";

const ended = (step: string, outcome: "done" | "failed" | "unknown"): EventBody => ({ kind: "host-ended", step, host: "h1", outcome, evidence: "" }); // biome-ignore format: one line
const again = (step: string): EventBody => ({ kind: "host-reopened", step, host: "h1", turn: 1, tasks: [], rest: [], by: "ann", reason: "-" }); // biome-ignore format: one line
const leftOut: EventBody = { kind: "host-left-out", step: "switch.1", host: "h1", reason: "-" };

function isUnwell(...events: readonly EventBody[]): boolean {
  const unwell: Unwell = new Map();
  for (const event of events) noteUnwell(unwell, event);
  return unwell.has("h1");
}

test("P9: a host that failed, fell silent or was left out stays so whatever else went well there, such as a look by hand", () => {
  for (const bad of [ended("switch.2", "failed"), ended("switch.2", "unknown"), leftOut])
    for (const well of [ended("by-hand.1", "done"), ended("confirm.1", "done"), again("back.1")])
      assert.ok(isUnwell(bad, well), JSON.stringify([bad, well]));
  assert.ok(isUnwell(leftOut, ended("rollback.1", "done")), "nobody took it back there");
});

test("it is well again once that very step went well, is tried again, or was taken back", () => {
  for (const well of [ended("switch.2", "done"), again("switch.2"), ended("rollback.2", "done")])
    assert.ok(!isUnwell(ended("switch.2", "failed"), well), JSON.stringify(well));
});

test("what a person tried by hand, and failed, is not counted; a host that fell silent over it is, until it is read back", () => {
  assert.ok(!isUnwell(ended("by-hand.1", "failed")));
  assert.ok(isUnwell(ended("by-hand.1", "unknown")));
  for (const outcome of ["done", "failed"] as const)
    assert.ok(!isUnwell(ended("by-hand.1", "unknown"), ended("by-hand.1", outcome)), outcome);
});
