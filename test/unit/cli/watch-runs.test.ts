// Two runs at once: every line says whose it is, the picture has both, and it stays until the last of them has ended.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeOutput } from "../../../src/cli/output.ts";
import { watchRun } from "../../../src/cli/watch-run.ts";
import type { EventBody, JournalEvent } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput } from "../../support/plan-input.ts";

const planned = (release: string): EventBody => ({
  kind: "run-planned",
  ...{ commit: "0".repeat(40), generation: "g", epoch: 1, fleet: [] },
  plan: { ...makePlan(planInput({ components: { [release]: { hosts: ["h1", "h2"] } } })), release },
});
const done: EventBody = { kind: "run-ended", outcome: "done", reason: "" };
const started: EventBody = { kind: "step-started", step: "distribute" };

/** `[run, event]`, a second apart. */
function story(...told: readonly (readonly [string, EventBody])[]): JournalEvent[] {
  return told.map(([run, body], index) => ({ ...body, stream: `run/${run}`, sequence: index + 1, at: 1_000 * index }));
}

function record(events: readonly JournalEvent[], isTTY = false) {
  const parts: string[] = [];
  const sink = { isTTY, columns: 100, rows: 20, write: (part: string) => void parts.push(part) };
  const display = watchRun(makeOutput({ out: sink, err: sink, json: false, color: false }), [], () => 5_000);
  return { display, parts, tell: () => events.forEach((event) => void display.onEvent(event)) };
}

test("R33: with two runs under way each line says whose it is; one alone needs no name", () => {
  const { tell, parts } = record(
    story(["r-0001", planned("shop")], ["r-0001", started], ["r-0002", planned("mail")], ["r-0002", started], ["r-0001", done], ["r-0002", done]), // biome-ignore format: one line
  );
  tell();
  const lines = parts.join("").trimEnd().split("\n").map((line) => line.slice("1970-01-01T00:00:00Z ".length)); // biome-ignore format: one line
  assert.match(lines[0] ?? "", /^run r-0001 for commit/);
  assert.ok(lines.some((line) => line.startsWith("mail | run r-0002 for commit")));
  assert.ok(lines.some((line) => line.startsWith("mail | distribute")));
  assert.ok(lines.some((line) => line.startsWith("shop | done:")));
  assert.ok(lines.at(-1)?.startsWith("done:"), "the last one is alone again");
});

test("two runs of one release are told apart by their ids", () => {
  const { tell, parts } = record(story(["r-0001", planned("shop")], ["r-0002", planned("shop")], ["r-0002", started]));
  tell();
  assert.ok(parts.join("").includes("shop 0002 | distribute"));
});

test("the picture shows both runs, and stays until the last of them has ended", () => {
  const { display, tell, parts } = record(story(["r-0001", planned("shop")], ["r-0002", planned("mail")]), true);
  tell();
  display.onEvent({ ...started, stream: "run/r-0002", sequence: 9, at: 4_000 });
  const picture = parts.at(-1) ?? "";
  for (const text of ["shop run r-0001", "mail run r-0002"]) assert.ok(picture.includes(text), picture);
  display.onEvent({ ...done, stream: "run/r-0001", sequence: 10, at: 5_000 });
  const left = parts.at(-1) ?? "";
  assert.ok(left.includes("mail run r-0002") && !left.includes("shop run r-0001"), left);
  display.close();
});

test("bytes are counted for the run that sends them", () => {
  const json: string[] = [];
  const sink = { isTTY: false, columns: undefined, rows: undefined, write: (part: string) => void json.push(part) };
  const display = watchRun(makeOutput({ out: sink, err: sink, json: true, color: false }), [], () => 5_000);
  for (const event of story(["r-0001", planned("shop")], ["r-0002", planned("mail")])) display.onEvent(event);
  display.onBytes({ host: "h1", component: "shop", sent: 5, there: 5, total: 10 }, "r-0001");
  display.onBytes({ host: "h1", component: "mail", sent: 7, there: 7, total: 10 }, "r-0002");
  const bytes = json.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "bytes");
  assert.deepEqual(bytes.map(({ run, done: sent }) => [run, sent]), [["r-0001", 5], ["r-0002", 7]]); // biome-ignore format: one line
});

test("a run says whom it waits for and until when, as a line and as data", () => {
  const silence = { step: "distribute", host: "h1", message: "Cannot reach h1", until: 125_000 };
  const { display, tell, parts } = record(story(["r-0001", planned("shop")], ["r-0001", started]));
  tell();
  display.onSilent?.(silence, "r-0001");
  assert.match(parts.at(-1) ?? "", /Z waiting for h1 in distribute until 1970-01-01T00:02:05Z: Cannot reach h1/);
});
