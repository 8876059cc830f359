// Which hosts count against the budget that all runs of a release share (P9).
import assert from "node:assert/strict";
import test from "node:test";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makeTask } from "../../../src/plan/host-tasks.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { noteUnwell, type Unwell, unwellKinds } from "../../../src/run/note-unwell.ts";
import { runStream } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

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

/** A run that waits at a gate, in which somebody asks h1 for a task that is not answered. */
async function silentOver(kind: "check" | "drain"): Promise<boolean> {
  const edits = [{ kind: "gate", name: "look", beforePhase: "commit", reason: "the owner says yes" }] as const;
  const plan = makePlan(planInput({ components: { app: { hosts: ["h1"] } }, edits }));
  const journal = memoryJournal();
  const hosts = inProcessHosts({ loses: (_host, _moment, step) => step.startsWith("by-hand.") });
  const go = (epoch: number) => runController({ plan, journal, executor: hosts.executor, epoch });
  await go(1);
  const task = { ...makeTask({ host: "h1", component: "app", to: "2.0.0" }, kind) };
  const step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h1", groups: [[task]] }] } as const; // biome-ignore format: one line
  await journal.append([{ kind: "step-added", step, by: "ann", reason: "-", stream: runStream(run), sequence: journal.kept.length + 1, at: 1 }]); // biome-ignore format: one line
  const state = await go(2);
  assert.deepEqual([state.hosts.get("by-hand.1/h1"), state.outcome], ["unknown", undefined]);
  return isUnwell(...journal.kept.filter(({ kind: each }) => unwellKinds.some((one) => one === each)));
}

test("a look by hand that was not answered is over, and does not spend the budget of a run that waits for days; what may have changed something does", async () => {
  assert.equal(await silentOver("check"), false);
  assert.equal(await silentOver("drain"), true);
});
