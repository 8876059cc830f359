// The open loop where turns pile up, as they do when the process stands still for a while.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openLoop } from "../../../src/lab/meter/open-loop.ts";

test("who calls it off among turns that have piled up gets no more of them", async () => {
  const stop = new AbortController();
  let turns = 0;
  await openLoop({
    ...{ ratePerSecond: 1_000, limit: 10_000, signal: stop.signal },
    turn(index) {
      turns += 1;
      if (index === 0) for (const end = performance.now() + 100; performance.now() < end; );
      if (index === 5) stop.abort();
    },
  });
  assert.equal(turns, 6);
});
