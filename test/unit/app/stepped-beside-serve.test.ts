// A run that somebody steps through, while `serve` runs: its passes leave the run to them (P12).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Controller } from "../../../src/app/controller.ts";
import type { RunSources } from "../../../src/app/make-deliveries.ts";
import { openRunPool } from "../../../src/app/run-pool.ts";
import { sayBeside, type TaskDecision } from "../../../src/app/tasks/act-in-run.ts";
import { watchDecisions } from "../../../src/app/watch-decisions.ts";
import type { Step } from "../../../src/model/plan.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { decide } from "../../../src/run/decide.ts";
import { replayRun, runStream } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController, sleptClock } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const noSources = {} as RunSources;

/** Nothing is sent: only steps that hosts do by themselves. */
function planOf(rollbackPolicy: "auto" | "manual") {
  const plan = makePlan(planInput({ components: { app: { hosts: ["h1", "h2"] } }, rollbackPolicy }));
  return { ...plan, steps: plan.steps.filter(({ kind }) => kind !== "distribute") };
}

/** Somebody has stepped till the first host has switched, or till its switch has failed; then `serve` starts. */
async function steppedRun({ fails = false } = {}) {
  const hosts = inProcessHosts({ fails: ({ id, action }) => (fails && id === "h1/app/switch" && action === "do" ? "task-failed" : undefined) }); // biome-ignore format: one line
  const journal = memoryJournal();
  const { executor } = hosts;
  const plan = planOf(fails ? "manual" : "auto");
  const say = (...bodies: readonly EventBody[]) => {
    const { length } = journal.kept;
    return journal.append(
      bodies.map((body, at) => ({ ...body, stream: runStream(run), sequence: length + at + 1, at })),
    );
  };
  const isThere = () => hosts.ran.some((line) => line.endsWith("h1/app/switch do"));
  for (let epoch = 1; !isThere(); epoch += 1) {
    await runController({ plan, journal, executor, epoch, more: { pace: "one-task" } });
    await say({ kind: "run-resumed", epoch, pace: "one-task" });
  }
  const settings = { concurrency: 4, patienceMs: 1_000, firstTrust: {} };
  const controller = { journal, clock: sleptClock(), executor, settings } as unknown as Controller;
  const lease = { holder: "serve", epoch: 50, ttlMs: 1, object: "o" };
  const signal = new AbortController().signal;
  const pool = (pace: "run" | "as-left") =>
    openRunPool({ controller, lease, watcher: { onEvent() {}, onBytes() {} }, signal, pace });
  const passOf = async (pace: "run" | "as-left") => {
    await (await pool(pace)).resume(run, noSources).ended;
    return (await replayRun(journal, run)).state;
  };
  return { hosts, journal, controller, say, pool, passOf };
}

/** What somebody asks for by hand. */
function lookAt(host: string): Step {
  const tasks = planOf("auto").steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  const task = tasks.find(({ id }) => id === `${host}/app/check`) ?? assert.fail();
  const work = [{ host, groups: [[task]] }];
  return { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work };
}

test("serve leaves a run that somebody steps through where it stands, and writes nothing in it; a pass that was asked for goes on (P12)", async () => {
  const { hosts, journal, passOf } = await steppedRun();
  const before = [journal.kept.length, hosts.ran.length];
  for (const _ of ["its first pass", "and the next"]) assert.equal((await passOf("as-left")).pace, "one-task");
  assert.deepEqual([journal.kept.length, hosts.ran.length], before);
  assert.equal((await passOf("run")).outcome, "done");
});

test("serve does at once what is asked for by hand in it, and goes the way back that somebody asked for", async () => {
  const { hosts, say, passOf } = await steppedRun();
  await say({ kind: "step-added", step: lookAt("h2"), by: "ann", reason: "look" });
  const looked = await passOf("as-left");
  assert.deepEqual([looked.hosts.get("by-hand.1/h2"), looked.pace, looked.outcome], ["done", "one-task", undefined]);
  await say({ kind: "rollback-started", scope: "release", by: "ann", reason: "slow" });
  assert.equal((await passOf("as-left")).outcome, "rolled-back");
  assert.ok(hosts.ran.some((line) => line.endsWith("h1/app/switch undo")));
});

test("between two steps serve takes a word in it: what is done by hand it does at once, of what only a step does it says so", async () => {
  const { hosts, journal, controller, pool, passOf } = await steppedRun();
  const { state } = await replayRun(journal, run);
  assert.deepEqual([decide(state)?.kind, state.pace], ["end-step", "one-task"]);
  const found = { run, state, events: await journal.read(runStream(run)) } as unknown as TaskDecision["found"];
  await assert.rejects(sayBeside(controller, { found, events: [], pace: "one-task" }), { code: "run-stepped" });
  const waiting = await pool("as-left");
  await waiting.resume(run, noSources).ended;
  const step = lookAt("h2");
  await sayBeside(controller, { found, events: [{ kind: "step-added", step, by: "ann", reason: "look" }], pace: "by-hand" }); // biome-ignore format: one line
  let heard = 0;
  const over = new AbortController();
  const clock = { ...controller.clock, sleep: async () => over.abort() };
  const onDecision = () => {
    heard += 1;
  };
  await watchDecisions({
    controller: { journal, clock },
    pool: waiting,
    signal: over.signal,
    onDecision,
    onFreed() {},
  });
  assert.equal(heard, 1);
  const looked = await passOf("as-left");
  assert.deepEqual([looked.hosts.get("by-hand.1/h2"), looked.pace, looked.outcome], ["done", "one-task", undefined]);
  assert.ok(hosts.ran.some((line) => line.includes("by-hand.1")));
});

test("a word about one task of it is refused beside serve, which would leave it undone, with the way to say it", async () => {
  const { journal, controller } = await steppedRun({ fails: true });
  const { state } = await replayRun(journal, run);
  assert.deepEqual([decide(state)?.kind, state.pace], ["hold", "one-task"]);
  const found = { run, state, events: await journal.read(runStream(run)) } as unknown as TaskDecision["found"];
  const { length } = journal.kept;
  await assert.rejects(
    sayBeside(controller, { found, events: [{ kind: "step-started", step: "x" }], pace: "one-task" }),
    {
      code: "run-stepped",
      remedy: "stop cutover serve, then the same command, and cutover step, or cutover reconcile --once for the rest",
    },
  );
  assert.equal(journal.kept.length, length);
});
