// Whatever people run, undo, skip, hold and take back by hand beside hosts that fail and fall silent: the run neither breaks, nor gets stuck, nor lies.
import assert from "node:assert/strict";
import test from "node:test";
import { playRandomHands } from "../../support/play-random-hands.ts";

test("in 600 runs with hands in them no step comes no further, no hold refuses every verb, and no end differs from what hosts did (P7, P10)", async () => {
  for (let seed = 1; seed <= 600; seed += 1) {
    const { trouble, events } = await playRandomHands(seed);
    assert.equal(trouble, undefined, `seed ${seed}: ${trouble}\n${events.slice(-25).map((event) => JSON.stringify(event)).join("\n")}`); // biome-ignore format: one line
  }
});

test("people had their hands in these runs, and runs of every outcome are among them", async () => {
  const kinds = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1)
    for (const event of (await playRandomHands(seed)).events)
      kinds.add(event.kind === "run-ended" ? event.outcome : event.kind);
  for (const kind of ["done", "rolled-back", "step-added", "host-reopened", "host-left-out", "rollback-started", "task-skipped"]) assert.ok(kinds.has(kind), kind); // biome-ignore format: one line
});
