// How far a run is driven: what somebody asks for by hand leaves it at the pace, and at the place, where it stood.
import assert from "node:assert/strict";
import test from "node:test";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makeTask } from "../../../src/plan/host-tasks.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import type { Pace } from "../../../src/run/pace.ts";
import { runStream } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController } from "../../support/engine.ts";
import { type HostScript, inProcessHosts } from "../../support/in-process-hosts.ts";
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

/** A run that is gone on with at some pace, and what is said in it meanwhile. */
function stepping(given = plan, script: HostScript = {}) {
  const hosts = inProcessHosts(script);
  const journal = memoryJournal();
  const say = (...bodies: readonly EventBody[]) =>
    journal.append(bodies.map((body, at) => ({ ...body, stream: runStream(run), sequence: journal.kept.length + 1 + at, at: 1 }))); // biome-ignore format: one line
  let epoch = 0;
  const go = (pace: Pace, more: { readonly upTo?: string } = {}) => {
    epoch += 1;
    return runController({ plan: given, journal, executor: hosts.executor, epoch, more: { pace, ...more } });
  };
  const isStarted = (step: string) => journal.kept.some((event) => event.kind === "step-started" && event.step === step); // biome-ignore format: one line
  return { hosts, journal, say, go, isStarted };
}

const checkOn = (host: string) => {
  const task = makeTask({ host, component: "runtime", to: "2.0.0" }, "check");
  return { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host, groups: [[task]] }] } as const; // biome-ignore format: one line
};

for (const pace of ["run", "one-task", "by-hand"] as const)
  test(`a task asked for by hand on a host that the run goes on without is done, and ends, at pace ${pace} (P12)`, async () => {
    const { journal, say, go } = stepping();
    await go("one-task");
    await say({ kind: "host-left-out", step: "distribute", host: "h2", reason: "silent before it switched" });
    await say({ kind: "step-added", step: checkOn("h2"), by: "ada", reason: "it is back" });
    const state = await go(pace);
    assert.equal(state.hosts.get("by-hand.1/h2"), "done");
    assert.equal(state.outcome, pace === "run" ? "stuck" : undefined);
    const since = journal.kept.slice(journal.kept.findIndex(({ kind }) => kind === "step-added"));
    const switched = since.filter((event) => event.kind === "task" && event.event.task === "h2/runtime/switch");
    assert.deepEqual(switched, [], "the run still goes on without that host");
  });

test("a driver that comes no further says so, and does not spin: every loop has a bound", async () => {
  const { go, journal } = stepping();
  await go("one-task");
  const appender = { append: async () => [] };
  const executor = inProcessHosts().executor;
  await assert.rejects(
    runController({ plan, journal, executor, epoch: 2, more: { appender } }),
    /run r1 comes no further: run-step distribute/,
  );
});

test("one task that is tried again drives nothing of a way back: what fails before it leaves the run where it stands (P12)", async () => {
  const auto = makePlan(planInput({ components: { app: { hosts: ["h1"], health: true } }, rollbackPolicy: "auto" }));
  const { hosts, go } = stepping(auto, {
    fails: ({ id, action }) => (id === "h1/app/switch" && action === "do" ? "task-failed" : undefined),
  });
  for (const _ of ["fails", "and asked again"]) {
    const state = await go("one-task", { upTo: "h1/app/health" });
    assert.deepEqual([state.outcome, state.hosts.get("switch.1/h1")], [undefined, "failed"]);
    assert.equal(state.rollback, undefined, "the next step begins it");
    assert.equal(hosts.ran.some((line) => line.endsWith(" undo")), false); // biome-ignore format: one line
  }
});

test("one task that is tried again ends at the latest with its step on its host, also when nobody tells of the task itself (P12)", async () => {
  const { say, go, isStarted } = stepping();
  for (let steps = 0; !isStarted("switch.1") && steps < 9; steps += 1) await go("one-task");
  await say({ kind: "host-reopened", step: "switch.1", host: "h1", turn: 9, tasks: [], rest: [], by: "ann", reason: "look" }); // biome-ignore format: one line
  const state = await go("one-task", { upTo: "h1/runtime/switch" });
  assert.equal(state.hosts.get("switch.1/h1"), "done");
  assert.equal(state.outcome, undefined);
  assert.equal(isStarted("confirm.1"), false);
});

test("what a person asked for is one thing, also where it brings a version first: cutover step does it whole", async () => {
  const { hosts, say, go } = stepping();
  await go("one-task");
  const place = { host: "h2", component: "runtime", to: "2.0.0" };
  const groups = (["distribute", "build", "check"] as const).map((kind) => [makeTask(place, kind)]);
  const step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h2", groups }] } as const; // biome-ignore format: one line
  await say({ kind: "step-added", step, by: "ada", reason: "its controller died before it began" });
  const state = await go("one-task");
  assert.equal(state.hosts.get("by-hand.1/h2"), "done");
  assert.ok(hosts.ran.some((line) => line.includes("h2/runtime/check do")));
});

/** h1 has all of its switch from a controller before, and passed over what `isOver` names. */
async function passedOverWhole(isOver: (key: string) => boolean) {
  const drained = makePlan(planInput({ components: { app: { hosts: ["h1"], drain: true, health: true } } }));
  const { hosts, say, go, isStarted } = stepping(drained, {
    tells: (_host, step, events) =>
      step === "switch.1.r9"
        ? events
            .filter((event) => event.state === "done" || !isOver(`${event.task} ${event.action}`))
            .map((event) => (isOver(`${event.task} ${event.action}`) ? { ...event, state: "skipped", reason: "stale-epoch" } : event)) // biome-ignore format: one line
        : events,
  });
  for (let steps = 0; !isStarted("switch.1") && steps < 9; steps += 1) await go("one-task");
  const tasks = (drained.steps.find(({ id }) => id === "switch.1")?.work ?? []).flatMap(({ groups }) => groups.flat()).map(({ id, action }) => `${id} ${action}`); // biome-ignore format: one line
  await say({ kind: "host-reopened", step: "switch.1", host: "h1", turn: 9, tasks, rest: [], by: "ann", reason: "all" }, { kind: "submitted", step: "switch.1", host: "h1" }); // biome-ignore format: one line
  const since = () => hosts.ran.filter((one) => /switch\.1\.r1\d/.test(one)).map((one) => one.split(" ").slice(3).join(" ")); // biome-ignore format: one line
  return { go, since };
}

test("what a host passed over of a step that it had whole is stepped through: nothing of it begins by reading back what it did (P12)", async () => {
  const isAfterDrain = (key: string) => key !== "h1/app/drain do";
  const stepped = await passedOverWhole(isAfterDrain);
  const state = await stepped.go("one-task");
  assert.deepEqual([state.hosts.get("switch.1/h1"), stepped.since()], [undefined, []]);
  await stepped.go("one-task");
  assert.deepEqual(stepped.since(), ["h1/app/switch do"]);
  const asked = await passedOverWhole(isAfterDrain);
  await asked.go("one-task", { upTo: "h1/app/drain" });
  assert.deepEqual(asked.since(), []);
  await asked.go("one-task", { upTo: "h1/app/health" });
  assert.deepEqual(asked.since(), ["h1/app/switch do", "h1/app/health do"]);
  assert.equal((await asked.go("run")).outcome, "done");
});

test("of what a host passed over altogether, cutover step hands over one task, or goes on to the one that was asked for (P12)", async () => {
  const stepped = await passedOverWhole(() => true);
  await stepped.go("one-task");
  assert.deepEqual(stepped.since(), ["h1/app/drain do"]);
  for (const upTo of ["h1/app/drain", "h1/app/switch"]) {
    const { go, since } = await passedOverWhole(() => true);
    await go("one-task", { upTo });
    assert.deepEqual(since(), upTo.endsWith("drain") ? ["h1/app/drain do"] : ["h1/app/drain do", "h1/app/switch do"]);
  }
});
