import assert from "node:assert/strict";
import test from "node:test";
import { renderFlameGraph } from "../../../../src/app/profile/flame-graph.ts";
import { durationsOf } from "../../../../src/model/profile.ts";

const frame = (functionName: string, url = "") => ({ functionName, url, lineNumber: 4 });

test("a box is as wide as its share of CPU time; waiting is left out, and no name breaks the file", () => {
  const svg = renderFlameGraph(
    {
      startTime: 0,
      endTime: 4_000,
      nodes: [
        { id: 1, callFrame: frame("(root)"), children: [2, 3, 4] },
        { id: 2, callFrame: frame("work", "file:///app/src/run/work.ts") },
        { id: 3, callFrame: frame('<b>&"', "node:fs") },
        { id: 4, callFrame: frame("(idle)") },
      ],
      samples: [2, 3, 2, 2, 4],
      timeDeltas: [1_000, 1_000, 1_000, 1_000, 90_000],
    },
    { title: "a < b", root: "/app/" },
  );
  assert.match(svg, /4\.0 ms on the CPU; 90\.0 ms of waiting left out/);
  assert.match(
    svg,
    /<title>work src\/run\/work\.ts:5 · 3\.0 ms · 75\.0 %<\/title><rect x="0\.0" y="\d+" width="899\.6"/,
  );
  assert.match(svg, /<title>&lt;b&gt;&amp;&quot; node:fs:5 · 1\.0 ms · 25\.0 %<\/title><rect x="900\.0"/);
  assert.match(svg, />a &lt; b</);
});

test("percentiles are durations that were measured; none are zeros", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.deepEqual(durationsOf(hundred), { count: 100, totalMs: 5_050, p50Ms: 50, p99Ms: 99, maxMs: 100 });
  assert.deepEqual(durationsOf([]), { count: 0, totalMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
});
