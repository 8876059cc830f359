// How long a run took, as its events tell it: medians over hosts, and nothing where nothing was switched.
import assert from "node:assert/strict";
import { test } from "node:test";
import { timingsOf } from "../../../src/app/status-timings.ts";
import type { EventBody, JournalEvent } from "../../../src/model/run-event.ts";

const base = { stream: "run/r1", sequence: 1, at: 5_000 };
function done(place: string, durationMs: number, action: "do" | "undo" = "do"): JournalEvent {
  const [host = ""] = place.split("/");
  const event = { task: place, action, state: "done", durationMs, exitCode: 0, reason: "ok", evidence: "" } as const;
  return { ...base, kind: "task", step: "switch.1", host, event };
}
function delivered(host: string, bytes: number, ms: number): JournalEvent {
  const body = { kind: "delivered", step: "distribute", host, component: "web", bytes, ms } as Extract<EventBody, { kind: "delivered" }>; // biome-ignore format: one line
  return { ...base, ...body };
}

test("a host's switch is all that it was out of service for; hosts count by their median, retold events once", () => {
  const events = [
    ...[1, 2, 9].flatMap((factor, index) => {
      const host = `h${index + 1}`;
      return [
        delivered(host, 1_000_000 * factor, 1_000),
        done(`${host}/web/build`, 100 * factor),
        done(`${host}/web/drain`, 10 * factor),
        done(`${host}/web/switch`, 200 * factor),
        done(`${host}/web/switch`, 200 * factor),
        done(`${host}/web/health`, 30 * factor),
        done(`${host}/web/drain`, 5 * factor, "undo"),
        done(`${host}/web/confirm`, 7 * factor),
      ];
    }),
    done("h1/db/commit", 3),
  ];
  assert.deepEqual(timingsOf(events), [
    {
      component: "web",
      buildMs: 200,
      bytesPerSecond: 2_000_000,
      switchMs: 490,
      confirmMs: 14,
      hosts: 3,
      runs: 1,
      at: 5_000,
    },
  ]);
});

test("a few bytes say nothing about a link, and a run that switched nothing nothing at all", () => {
  assert.equal(timingsOf([delivered("h1", 500, 1), done("h1/web/switch", 1)])[0]?.bytesPerSecond, undefined);
  assert.deepEqual(timingsOf([delivered("h1", 1_000_000, 1_000), done("h1/web/build", 5)]), []);
});
