// Taking up a run that waits for a person: where nobody said anything, and everything is read back, nothing is written.
import assert from "node:assert/strict";
import { test } from "node:test";
import { resumeRun } from "../../../src/app/execute-run.ts";
import { openTrouble } from "../../../src/app/open-trouble.ts";
import { noWork, type PassContext, takeUpRuns } from "../../../src/app/pass.ts";
import { openRunPool } from "../../../src/app/run-pool.ts";
import { sayBeside, type TaskDecision } from "../../../src/app/tasks/act-in-run.ts";
import { foundIn, refuseAtWork } from "../../../src/app/tasks/find-task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { undoByHand } from "../../../src/run/by-hand.ts";
import { decide } from "../../../src/run/decide.ts";
import { replayRun, runStream } from "../../../src/run/replay.ts";
import { begun, byHand, plan as byHandPlan, convert, whole } from "../../support/by-hand-run.ts";
import { memoryJournal, run, runController, sleptClock } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

type Context = Parameters<typeof resumeRun>[0];
/** Whatever is not named is not needed. */
function contextOf(controller: object, more: object = {}): Context {
  const own = { clock: sleptClock(), settings: { firstTrust: {}, concurrency: 4, patienceMs: 10_000 }, ...controller };
  const watcher = { onEvent() {}, onBytes() {} };
  const signal = new AbortController().signal;
  return {
    controller: own,
    watcher,
    lease: { epoch: 9, holder: "c9" },
    sources: {},
    signal,
    ...more,
  } as unknown as Context;
}

const components = { app: { hosts: ["h1", "h2"] } };
const plan = makePlan(planInput({ components, rollbackPolicy: "manual" }));

test("a run that waits for a decision is left as it stands, however often it is taken up, and its journal does not grow", async () => {
  const hosts = inProcessHosts({ fails: ({ id }) => (id === "h1/app/switch" ? "task-failed" : undefined) });
  const journal = memoryJournal();
  await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
  const kept = journal.kept.length;
  const context = contextOf({ journal });
  for (const pace of ["run", "by-hand"] as const) {
    const { waits, state } = await resumeRun({ ...context, pace }, run);
    assert.deepEqual([waits?.reason, state.pace], ["DecisionNeeded", "run"]);
  }
  assert.equal(journal.kept.length, kept);
});

test("a pass that can drive nothing ends nobody's stepping: the next word would go as far as nobody asked for (P12)", async () => {
  const hosts = inProcessHosts({ fails: ({ id }) => (id === "h1/app/switch" ? "task-failed" : undefined) });
  const journal = memoryJournal();
  await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
  const sequence = journal.kept.length + 1;
  await journal.append([{ stream: runStream(run), sequence, at: 1, kind: "run-resumed", epoch: 2, pace: "one-task" }]);
  const context = contextOf({ journal });
  for (const pace of ["run", "by-hand", "one-task"] as const)
    assert.equal((await resumeRun({ ...context, pace }, run)).state.pace, "one-task");
});

test("a run that waits for a silent host names what brings it on: a check drives nothing", async () => {
  const hosts = inProcessHosts({ loses: (host, moment, step) => host === "h1" && moment === "after submit" && step === "switch.1" }); // biome-ignore format: one line
  const state = await runController({ plan, journal: memoryJournal(), executor: hosts.executor, epoch: 1 });
  const trouble = openTrouble({ run, state });
  assert.deepEqual([trouble?.reason, trouble?.next], ["HostUnknown", "cutover reconcile --once, once it answers; cutover hold h1 --reason …, if it will not come back"]); // biome-ignore format: one line
});

/** `convert` failed, a person undid it, the host did that, and its answer was lost. */
async function unreadRun(pace?: "one-task") {
  const lossy = inProcessHosts({ fails: ({ id, action }) => (id === convert.id && action === "do" ? "task-failed" : undefined) }); // biome-ignore format: one line
  const journal = memoryJournal();
  const { executor } = lossy;
  await runController({ plan: byHandPlan, journal, executor, epoch: 1 });
  const work = [{ host: "h1", groups: [[undoByHand(convert, run)]] }];
  const step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work } as const;
  const stepping = pace === undefined ? [] : [{ kind: "run-resumed", epoch: 1, pace } as const];
  const bodies = [...stepping, { kind: "step-added", step, by: "ann", reason: "-" } as const];
  const { length } = journal.kept;
  await journal.append(bodies.map((body, at) => ({ ...body, stream: runStream(run), sequence: length + at + 1, at })));
  lossy.script = { loses: (_, moment, at) => at === "by-hand.1" && moment === "event" };
  const { state } = await resumeRun(contextOf({ journal, executor }, { pace: "by-hand" }), run);
  assert.deepEqual([decide(state)?.kind, state.hosts.get("by-hand.1/h1")], ["hold", "unknown"]);
  return { journal, hosts: lossy };
}

const held = {
  stream: "controller",
  sequence: 1,
  at: 1,
  kind: "held",
  host: "h1",
  by: "ann",
  reason: "burnt",
} as const;

test("what a person ran in a run that waits, and nobody heard of, is read back by the next pass: until then nothing else is done there by hand (P7)", async () => {
  const { journal, hosts } = await unreadRun();
  const found = async () => {
    const events = await journal.read(runStream(run));
    return foundIn({ run, events, state: (await replayRun(journal, run)).state }, convert.id) ?? assert.fail();
  };
  const context = contextOf({ journal, executor: hosts.executor });
  const before = await found();
  assert.throws(() => refuseAtWork(before), { code: "task-at-work" });
  await resumeRun({ ...context, pace: "run" }, run);
  const still = await found();
  assert.throws(() => refuseAtWork(still), { code: "task-at-work" }, "the host is still silent");
  hosts.script = {};
  const { state } = await resumeRun({ ...context, pace: "run" }, run);
  assert.equal(state.hosts.get("by-hand.1/h1"), "done");
  refuseAtWork(await found());
  const kept = journal.kept.length;
  await resumeRun({ ...context, pace: "run" }, run);
  assert.equal(journal.kept.length, kept, "it waits for the person again, and writes nothing");
});

test("a run that waits for a person goes on without a host that is on hold, where something of it is missing or not read back", async () => {
  const { journal, hosts } = await unreadRun();
  await journal.append([held]);
  const { state } = await resumeRun(contextOf({ journal, executor: hosts.executor }, { pace: "run" }), run);
  assert.ok(state.leftOut.has("h1"));

  const missing = memoryJournal();
  const events = [...begun, ...whole, ...byHand(convert, "undo")];
  await missing.append(events.map((event, at) => ({ ...event, stream: runStream(run), sequence: at + 1, at })));
  await missing.append([held]);
  const onward = await resumeRun(contextOf({ journal: missing, executor: hosts.executor }, { pace: "run" }), run);
  assert.ok(onward.state.leftOut.has("h1"));
});

test("what a pass reads back in a run that waits, and is stepped through, ends nobody's stepping (P12)", async () => {
  const { journal, hosts } = await unreadRun("one-task");
  const { state } = await resumeRun(contextOf({ journal, executor: hosts.executor }, { pace: "run" }), run);
  assert.deepEqual([decide(state)?.kind, state.pace], ["hold", "one-task"]);
});

/** `serve` has taken the run up once, while h1 was silent; what its later passes do with it. */
async function servedRun() {
  const { journal, hosts } = await unreadRun();
  const { controller, ...base } = contextOf({ journal, executor: hosts.executor });
  const { lease, watcher, signal } = base;
  const pool = await openRunPool({ controller, lease, watcher, signal });
  await pool.resume(run, base.sources).ended;
  const context = {
    ...base,
    controller,
    pool,
    newest: { desired: undefined },
    onFinished() {},
  } as unknown as PassContext;
  const pass = async () => {
    const work = noWork();
    await takeUpRuns(context, work);
    await Promise.allSettled(work.resumed);
    return (await replayRun(journal, run)).state;
  };
  return { journal, hosts, pass };
}

test("serve reads back what was done by hand once its host answers, and beside it nobody writes about other hosts meanwhile (P7)", async () => {
  const { journal, hosts, pass } = await servedRun();
  const found = {
    run,
    events: await journal.read(runStream(run)),
    state: await pass(),
  } as unknown as TaskDecision["found"];
  const said = sayBeside(contextOf({ journal }).controller, { found, events: [] });
  await assert.rejects(said, { code: "run-at-work", message: /h1, which was worked on by hand and is read back/ });
  hosts.script = {};
  assert.equal((await pass()).hosts.get("by-hand.1/h1"), "done");
  const kept = journal.kept.length;
  await pass();
  assert.equal(journal.kept.length, kept);
});

test("serve leaves out a host that is put on hold while its run waits", async () => {
  const { journal, pass } = await servedRun();
  await journal.append([held]);
  assert.ok((await pass()).leftOut.has("h1"));
});

test("a pass that resolves what a stepped run waited for leaves the rest of it to who steps (P12)", async () => {
  const before = async () => {
    const { journal, hosts } = await unreadRun("one-task");
    return { journal, hosts, ran: hosts.ran.length, go: () => resumeRun(contextOf({ journal, executor: hosts.executor }, { pace: "run" }), run) }; // biome-ignore format: one line
  };
  const out = await before();
  await out.journal.append([held]);
  const left = await out.go();
  assert.deepEqual([left.state.leftOut.has("h1"), left.state.outcome, left.state.pace], [true, undefined, "one-task"]);
  assert.notEqual(decide(left.state)?.kind, "hold");
  const answered = await before();
  answered.hosts.script = {};
  const read = await answered.go();
  assert.deepEqual([read.state.hosts.get("by-hand.1/h1"), read.state.pace], ["done", "one-task"]);
  for (const { hosts, ran } of [out, answered])
    assert.equal(hosts.ran.length, ran, "nothing of the plan was handed over");
});

test("by hand, a run that waits for a person while another host is not read back is left as it stands, and its journal too", async () => {
  const { journal, hosts } = await unreadRun();
  const kept = journal.kept.length;
  const { state } = await resumeRun(contextOf({ journal, executor: hosts.executor }, { pace: "by-hand" }), run);
  assert.deepEqual([decide(state)?.kind, journal.kept.length], ["hold", kept]);
});

test("while hosts stay silent a process says once that it took their run up, however many passes ask them; the next process says so too (P5)", async () => {
  const byHandRun = await unreadRun();
  const loses = (host: string, moment: string, step: string) => host === "h1" && moment === "after submit" && step === "switch.1"; // biome-ignore format: one line
  const planned = { journal: memoryJournal(), hosts: inProcessHosts({ loses }) };
  await runController({ plan, journal: planned.journal, executor: planned.hosts.executor, epoch: 1 });
  for (const { journal, hosts } of [byHandRun, planned]) {
    const passes = async (epoch: number) => {
      const { length } = journal.kept;
      const context = contextOf({ journal, executor: hosts.executor }, { pace: "run", lease: { epoch, holder: "c" } });
      for (const _ of ["the first pass", "and the next"]) await resumeRun(context, run);
      return journal.kept.slice(length).map(({ kind }) => kind);
    };
    assert.deepEqual(await passes(20), ["run-resumed"]);
    assert.deepEqual(await passes(21), ["run-resumed"]);
    hosts.script = {};
    const [first, ...after] = await passes(21);
    assert.deepEqual([first, after.includes("task")], ["run-resumed", true], "what comes of it comes after that");
  }
});
