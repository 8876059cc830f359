// Opening gates from beside: who and why are kept, and the run goes on from there (R36).
import assert from "node:assert/strict";
import { test } from "node:test";
import { openGate, passOpenedGate, waitingGates } from "../../../src/app/gates.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { reduce } from "../../../src/run/machine.ts";
import { replayRun } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController, sleptClock } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const plan = makePlan(
  planInput({
    components: { app: { hosts: ["h1", "h2"] } },
    policy: { batchSize: 1 },
    edits: [
      { kind: "gate", name: "look", afterBatch: 1, reason: "someone looks at the graphs" },
      { kind: "gate", name: "last", beforePhase: "commit", reason: "the owner says yes" },
    ],
  }),
);

async function waitingRun() {
  const journal = memoryJournal();
  const hosts = inProcessHosts();
  const drive = (epoch: number) => runController({ plan, journal, executor: hosts.executor, epoch });
  await drive(1);
  return { journal, clock: sleptClock(), drive };
}
const act = { by: "ada", reason: "graphs are flat" };

test("a gate is opened by its run or its release, once, and only that gate of that run passes", async () => {
  const memory = await waitingRun();
  const [waiting] = await waitingGates(memory.journal);
  assert.deepEqual(
    [waiting?.run, waiting?.release, waiting?.gate, waiting?.reason, waiting?.openedBy],
    [run, "shop", "look", "someone looks at the graphs", undefined],
  );
  const { state } = await replayRun(memory.journal, run);
  assert.deepEqual(await passOpenedGate(memory.journal, run, state), []);
  assert.equal((await openGate(memory, { target: "shop", gate: "look", ...act })).openedBy, "ada");
  const kept = memory.journal.kept.length;
  await openGate(memory, { target: run, gate: "look", by: "bob", reason: "me too" });
  assert.equal(memory.journal.kept.length, kept, "it is open already");
  assert.deepEqual(
    await passOpenedGate(memory.journal, "r2", state),
    [],
    "another run's gate of that name stays closed",
  );
  const [event] = await passOpenedGate(memory.journal, run, state);
  assert.deepEqual(event, { kind: "gate-opened", step: "gate.look", ...act });
  const onward = event && reduce(state, event, run);
  assert.deepEqual(onward && (await passOpenedGate(memory.journal, run, onward)), [], "once");
});

test("what does not wait cannot be opened, and the refusal names what does", async () => {
  const memory = await waitingRun();
  const asked = (target: string, gate: string) => openGate(memory, { target, gate, ...act });
  await assert.rejects(asked("shop", "last"), { code: "usage", message: /waiting: look of run r1 \(shop\)$/ });
  await assert.rejects(asked("stop", "look"), { code: "usage" });
  assert.ok(!memory.journal.kept.some(({ kind }) => kind === "gate-open-asked"));
});
