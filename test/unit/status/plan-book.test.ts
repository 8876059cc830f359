// The plan as a book: its order and what runs together, and with a run how each task stands (R29).
import assert from "node:assert/strict";
import { test } from "node:test";
import { readPlan } from "../../../src/app/read-plan.ts";
import { bookLines } from "../../../src/cli/render-book.ts";
import { toText } from "../../../src/cli/text.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planBook } from "../../../src/status/plan-book.ts";
import { memoryJournal, run, runController } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const plan = makePlan(
  planInput({
    components: { runtime: { hosts: ["h1", "h2"] }, app: { hosts: ["h1", "h2"], dependsOn: ["runtime"], drain: true } },
    policy: { batchSize: 1 },
    edits: [{ kind: "gate", name: "look", afterBatch: 1, reason: "someone looks" }],
  }),
);
const text = (lines: ReturnType<typeof bookLines>) =>
  toText(lines, { color: false, width: undefined, overflow: "wrap" });

test("hosts that share a task share its line; what runs side by side is marked; a gate is a line of its own", () => {
  assert.deepEqual(text(bookLines(planBook({ plan }), { withStates: false })), [
    "  phase       step        task                  hosts",
    "  distribute  distribute  app distribute        2: h1, h2",
    "                          + runtime distribute  2: h1, h2",
    "                          app build             2: h1, h2",
    "                          + runtime build       2: h1, h2",
    "  check       check       app check             2: h1, h2",
    "                          + runtime check       2: h1, h2",
    "  switch      switch.1    runtime switch        1: h1",
    "                          app drain             1: h1",
    "                          app switch            1: h1",
    "                          app undo drain        1: h1",
    "  switch      confirm.1   runtime confirm       1: h1",
    "                          + app confirm         1: h1",
    "  switch      gate.look   a person opens it     someone looks",
    "  switch      switch.2    runtime switch        1: h2",
    "                          app drain             1: h2",
    "                          app switch            1: h2",
    "                          app undo drain        1: h2",
    "  switch      confirm.2   runtime confirm       1: h2",
    "                          + app confirm         1: h2",
    "  commit      commit      runtime commit        2: h1, h2",
    "                          + app commit          2: h1, h2",
  ]);
});

test("the book of a run says how each task stands, from the journal alone", async () => {
  const journal = memoryJournal();
  await runController({ plan, journal, executor: inProcessHosts().executor, epoch: 1 });
  const { book, outcome } = await readPlan({ journal }, run);
  const states = (step: string) =>
    book.filter((line) => line.step === step).map(({ task, state }) => `${task} ${state}`);
  assert.equal(outcome, undefined);
  assert.deepEqual(states("switch.1"), ["switch done", "drain done", "switch done", "undo drain done"]);
  assert.deepEqual(
    [states("gate.look"), states("commit")],
    [["undefined pending"], ["commit pending", "commit pending"]],
  );
  await assert.rejects(readPlan({ journal }, "r9"), { code: "usage", message: /the newest is r1/ });
});
