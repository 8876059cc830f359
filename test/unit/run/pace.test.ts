// How far a run is driven: what somebody asks for by hand leaves it at the pace, and at the place, where it stood.
import assert from "node:assert/strict";
import test from "node:test";
import { makeTask } from "../../../src/plan/host-tasks.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { runStream } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const plan = makePlan(planInput({ components: { runtime: { hosts: ["h1", "h2"] } } }));

test("what is asked for by hand is done, and the run stays where it stood, whether it was interrupted or is stepped through (P12)", async () => {
  const hosts = inProcessHosts();
  const journal = memoryJournal();
  const go = (epoch: number, pace: "one-task" | "by-hand") =>
    runController({ plan, journal, executor: hosts.executor, epoch, more: { pace } });
  await go(1, "one-task");
  const kept = journal.kept.length;
  const task = { ...makeTask({ host: "h1", component: "runtime", to: "2.0.0" }, "check") };
  const step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h1", groups: [[task]] }] } as const; // biome-ignore format: one line
  const place = { stream: runStream(run), sequence: kept + 1, at: 1 };
  await journal.append([{ ...place, kind: "step-added", step, by: "ada", reason: "look" }]);
  const state = await go(2, "by-hand");
  assert.equal(state.outcome, undefined);
  assert.equal(state.hosts.get("by-hand.1/h1"), "done");
  const steps = journal.kept
    .slice(kept)
    .flatMap((event) => ("step" in event && typeof event.step === "string" ? event.step : []));
  assert.deepEqual([...new Set(steps)], ["by-hand.1"]);
});
