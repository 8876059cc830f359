// `--dry-run` of a word about one task says no more than will happen: now, with the next step, or once something else is decided.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Controller } from "../../../src/app/controller.ts";
import type { TaskDecision } from "../../../src/app/tasks/act-in-run.ts";
import { findTask } from "../../../src/app/tasks/find-task.ts";
import { foresee } from "../../../src/app/tasks/foresee.ts";
import { decisionLines } from "../../../src/cli/render-tasks.ts";
import { toText } from "../../../src/cli/text.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { reduce } from "../../../src/run/machine.ts";
import { tryAgain } from "../../../src/run/try-again.ts";
import { memoryJournal, run, runController } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const convert = { name: "convert", at: "before-switch", scope: "host", hasUndo: true, canDryRun: false } as const;
const plan = makePlan(
  planInput({
    components: { app: { hosts: ["h1", "h2", "h3"], tasks: [convert] } },
    policy: { canaries: 0, batchSize: 2 },
    rollbackPolicy: "manual",
  }),
);

/** It waits for a person, since `convert` failed on these. */
async function failedOn(...hosts: readonly string[]): Promise<Controller> {
  const journal = memoryJournal();
  const ids = hosts.map((host) => `${host}/app/convert`);
  const { executor } = inProcessHosts({ fails: ({ id, action }) => (ids.includes(id) && action === "do" ? "odd" : undefined) }); // biome-ignore format: one line
  await runController({ plan, journal, executor, epoch: 1 });
  return { journal } as unknown as Controller;
}

/** As `task retry` and `task skip` say it. */
async function again(controller: Controller, id: string, ...words: readonly EventBody[]): Promise<TaskDecision> {
  const found = await findTask(controller.journal, { run: undefined, id });
  const state = words.reduce((before, event) => reduce(before, event, run), found.state);
  const { turns } = await tryAgain({
    ...{ run, state, events: found.events, step: found.step, host: found.work.host, by: "ann", reason: "no data" },
    observe: () => assert.fail("no switch is in question"),
    hasUndo: () => assert.fail("nothing was saved"),
  });
  return { found, events: [...words, ...turns] };
}

const retrying = (controller: Controller, id: string) => again(controller, id);
const skipping = (controller: Controller, id: string) =>
  again(controller, id, { kind: "task-skipped", task: id, by: "ann", reason: "no data", signature: "s" });

test("what was decided last goes on with the run", async () => {
  const decision = await retrying(await failedOn("h1"), "h1/app/convert");
  assert.deepEqual(foresee(decision), { kind: "goes-on" });
});

test("while another host of the step waits for a decision, the run waits again after this one", async () => {
  const controller = await failedOn("h1", "h2");
  const then = foresee(await retrying(controller, "h1/app/convert"));
  assert.ok(then.kind === "then-waits" && /^it waits for a person: switch\.1 failed on h2/.test(then.reason), JSON.stringify(then)); // biome-ignore format: one line
  const skip = foresee(await skipping(controller, "h2/app/convert"));
  assert.ok(skip.kind === "then-waits" && /failed on h1/.test(skip.reason), JSON.stringify(skip));
});

test("skipping what the run has not come to begins nothing while it waits for something else", async () => {
  const decision = await skipping(await failedOn("h1"), "h3/app/convert");
  const seen = foresee(decision);
  assert.ok(seen.kind === "later" && /^it waits for a person: switch\.1 failed on h1/.test(seen.reason), JSON.stringify(seen)); // biome-ignore format: one line
  const lines = toText(decisionLines(decision.events, seen), { color: false, width: undefined, overflow: "wrap" });
  assert.equal(lines[0], "  go on without h3/app/convert, signed by ann");
  assert.match(
    lines[1] ?? "",
    /^ {2}switch\.2 on h3: h3\/app\/switch do.*, when the run comes to that; nothing now: it waits/,
  );
});

test("an undo before another turn comes first, one alone is all", () => {
  const undo = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [] } as const;
  const task = { id: "h1/app/convert", action: "undo", kind: "hook", host: "h1", component: "app", version: "2.0.0", options: {} } as const; // biome-ignore format: one line
  const added: EventBody = { kind: "step-added", step: { ...undo, work: [{ host: "h1", groups: [[task]] }] }, by: "ann", reason: "odd" }; // biome-ignore format: one line
  const turn: EventBody = { kind: "host-reopened", step: "switch.1", host: "h1", turn: 1, tasks: ["h1/app/convert do"], rest: [], by: "ann", reason: "odd" }; // biome-ignore format: one line
  const first = (...events: EventBody[]) =>
    toText(decisionLines(events, { kind: "goes-on" }), { color: false, width: undefined, overflow: "wrap" })[0];
  assert.equal(first(added), "  undo h1/app/convert, nothing else");
  assert.equal(first(added, turn), "  undo h1/app/convert, first");
});

test("in a run that is stepped through a skip does nothing by itself, and a retry that one task", async () => {
  const decision = await skipping(await failedOn("h1"), "h1/app/convert");
  assert.deepEqual(foresee({ ...decision, pace: "none" }), { kind: "next-step" });
  assert.deepEqual(foresee({ ...decision, pace: "one-task" }), { kind: "one-task" });
  const [, line] = toText(decisionLines(decision.events, { kind: "next-step" }), { color: false, width: undefined, overflow: "wrap" }); // biome-ignore format: one line
  assert.match(
    line ?? "",
    /^ {2}switch\.1 on h1: h1\/app\/switch do.*, with cutover step, when it comes to that; nothing now$/,
  );
});
