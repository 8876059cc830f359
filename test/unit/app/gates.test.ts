// Opening gates from beside: who and why are kept, and the run goes on from there (R36).
import assert from "node:assert/strict";
import { test } from "node:test";
import { openGate, waitingGates } from "../../../src/app/gates.ts";
import { personTrouble } from "../../../src/app/person-trouble.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
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

test("a gate is opened by its run or its release, once, and the run goes on to the next one", async () => {
  const memory = await waitingRun();
  const [waiting] = await waitingGates(memory.journal);
  assert.deepEqual(
    [waiting?.run, waiting?.release, waiting?.gate, waiting?.reason],
    [run, "shop", "look", "someone looks at the graphs"],
  );
  await openGate(memory, { target: "shop", gate: "look", ...act });
  const { stream: _, sequence: __, at: ___, ...kept } = memory.journal.kept.at(-1) ?? assert.fail();
  assert.deepEqual(kept, { kind: "gate-opened", step: "gate.look", ...act });
  await assert.rejects(
    openGate(memory, { target: run, gate: "look", ...act }),
    { code: "usage" },
    "it is open already",
  );
  const state = await memory.drive(2);
  assert.deepEqual(personTrouble({ run, state }), {
    reason: "GateClosed",
    message: "run r1 waits at gate last: the owner says yes",
    next: "cutover gate open r1 last --reason …",
  });
  await openGate(memory, { target: run, gate: "last", ...act });
  assert.equal((await memory.drive(3)).outcome, "done");
  assert.deepEqual(await waitingGates(memory.journal), []);
});

test("what does not wait cannot be opened, and the refusal names what does", async () => {
  const memory = await waitingRun();
  const asked = (target: string, gate: string) => openGate(memory, { target, gate, ...act });
  await assert.rejects(asked("shop", "last"), { code: "usage", message: /waiting: look of run r1 \(shop\)$/ });
  await assert.rejects(asked("stop", "look"), { code: "usage", remedy: "cutover gate open shop look --reason …" });
  assert.ok(!memory.journal.kept.some(({ kind }) => kind === "gate-opened"));
});
