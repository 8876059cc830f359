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
  await assert.rejects(asked("shop", "lok"), { code: "usage", remedy: "cutover gate open shop look --reason …" });
  await assert.rejects(asked("stop", "look"), { code: "usage", remedy: "cutover gate open shop look --reason …" });
  assert.ok(!memory.journal.kept.some(({ kind }) => kind === "gate-opened"));
});

test("a gate is not opened while serve reads back what was done by hand in its run: nobody writes into a journal that is being written (P7)", async () => {
  const memory = await waitingRun();
  const task = plan.steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat())).find(({ kind, host }) => kind === "switch" && host === "h2") ?? assert.fail(); // biome-ignore format: one line
  const step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h2", groups: [[task]] }] } as const; // biome-ignore format: one line
  const lost = [
    { kind: "step-added", step, by: "ann", reason: "-" },
    { kind: "step-started", step: step.id },
    { kind: "host-ended", step: step.id, host: "h2", outcome: "unknown", evidence: "" },
  ] as const;
  const { length } = memory.journal.kept;
  const stream = `run/${run}`;
  await memory.journal.append(lost.map((body, at) => ({ ...body, stream, sequence: length + at + 1, at })));
  const opened = openGate(memory, { target: run, gate: "look", ...act });
  await assert.rejects(opened, { code: "run-at-work", message: /h2, which was worked on by hand and is read back/, remedy: /cutover hold h2/ }); // biome-ignore format: one line
  assert.equal(memory.journal.kept.length, length + lost.length);
});

test("what somebody wrote since the gate was read is not written over: the word is refused", async () => {
  const memory = await waitingRun();
  const { journal } = memory;
  const read = journal.read.bind(journal);
  let isBeside = true;
  const racing = {
    ...journal,
    async read(stream: string, kinds?: Parameters<typeof read>[1]) {
      const events = await read(stream, kinds);
      // The gate's own look at the whole journal; then another process writes.
      if (kinds === undefined && isBeside && stream === `run/${run}` && ++looks === 2) {
        isBeside = false;
        await journal.append([{ kind: "run-resumed", epoch: 2, stream, sequence: events.length + 1, at: 1 }]);
      }
      return events;
    },
  };
  let looks = 0;
  await assert.rejects(openGate({ ...memory, journal: racing }, { target: run, gate: "look", ...act }), { code: "journal-taken" }); // biome-ignore format: one line
  assert.ok(!journal.kept.some(({ kind }) => kind === "gate-opened"));
});
