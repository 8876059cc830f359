// A gate in a run: it waits there with everything before it done, survives any restart, and goes on once somebody opens it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { makeAppender } from "../../../src/run/append.ts";
import { decide } from "../../../src/run/decide.ts";
import { replayRun, runStream } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController, sleptClock } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const plan = makePlan(
  planInput({
    components: { app: { hosts: ["h1", "h2", "h3"] } },
    policy: { canaries: 1, batchSize: 2 },
    edits: [{ kind: "gate", name: "look", afterBatch: 1, reason: "someone looks at the graphs" }],
  }),
);

test("a run waits at a gate with its canary confirmed and nothing else switched, however often it is taken up again (R36)", async () => {
  const journal = memoryJournal();
  const hosts = inProcessHosts();
  for (const epoch of [1, 2, 3]) {
    const state = await runController({ plan, journal, executor: hosts.executor, epoch });
    assert.equal(state.outcome, undefined);
    const effect = decide(state);
    assert.deepEqual(
      [effect?.kind, effect?.kind === "hold" && effect.reason],
      ["hold", "gate look is closed: someone looks at the graphs"],
    );
    assert.deepEqual([...hosts.versions.keys()], ["h1/app"]);
  }
  assert.deepEqual(
    hosts.ran.filter((line) => line.includes("h1") && line.includes("confirm")).length,
    1,
    "nothing ran twice",
  );
  const started = journal.kept.filter((event) => event.kind === "step-started" && event.step === "gate.look");
  assert.equal(started.length, 1, "since when it waits stays the same");
});

test("an opened gate stays open through a restart, and the run goes to its end", async () => {
  const journal = memoryJournal();
  const hosts = inProcessHosts();
  await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
  const { last } = await replayRun(journal, run);
  const appender = makeAppender({ journal, clock: sleptClock(), stream: runStream(run), last });
  await appender.append({ kind: "gate-opened", step: "gate.look", by: "ada", reason: "graphs are flat" });
  const state = await runController({ plan, journal, executor: hosts.executor, epoch: 2 });
  assert.equal(state.outcome, "done");
  assert.equal(hosts.committed.size, 3);
});

test("a run that waits at a gate can be taken back like any other", async () => {
  const journal = memoryJournal();
  const hosts = inProcessHosts();
  await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
  const { last } = await replayRun(journal, run);
  const appender = makeAppender({ journal, clock: sleptClock(), stream: runStream(run), last });
  await appender.append({ kind: "rollback-started", scope: "release", by: "ada", reason: "no" });
  const state = await runController({ plan, journal, executor: hosts.executor, epoch: 2 });
  assert.equal(state.outcome, "rolled-back");
  assert.ok(
    hosts.ran.some((line) => line.includes("h1") && line.includes("switch undo")),
    hosts.ran.join("\n"),
  );
});
