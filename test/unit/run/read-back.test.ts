// What people ran by hand on many hosts that are silent now: a pass asks all of them at once, and tells the journal only what is new.
import assert from "node:assert/strict";
import test from "node:test";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { runStream } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController, sleptClock } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const names = ["h1", "h2", "h3", "h4", "h5", "h6"];
const tasks = [{ name: "convert", at: "before-switch", scope: "host", hasUndo: true, canDryRun: false }] as const;
const plan = makePlan(
  planInput({
    components: { app: { hosts: names, tasks } },
    policy: { canaries: 0, batchSize: 6 },
    rollbackPolicy: "manual",
  }),
);

/** Each host's own step by hand, of which nobody knows how it ended, in a run that waits for a person at h1. */
async function unreadRun() {
  const hosts = inProcessHosts({ fails: ({ id, kind }) => (id.startsWith("h1/") && kind === "hook" ? "task-failed" : undefined) }); // biome-ignore format: one line
  const journal = memoryJournal();
  await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
  const undone = plan.steps.find(({ id }) => id === "switch.1")?.work.flatMap(({ groups }) => groups.flat()).filter(({ kind }) => kind === "hook") ?? []; // biome-ignore format: one line
  const bodies = undone.flatMap((task, at) => {
    const { host } = task;
    const id = `by-hand.${at + 1}`;
    const work = [{ host, groups: [[{ ...task, action: "undo" as const }]] }];
    const step = { id, kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work } as const;
    return [
      { kind: "step-added", step, by: "ann", reason: "-" },
      { kind: "step-started", step: id },
      { kind: "host-ended", step: id, host, outcome: "unknown", evidence: "" },
    ] as const;
  });
  const { length } = journal.kept;
  await journal.append(bodies.map((body, at) => ({ ...body, stream: runStream(run), sequence: length + at + 1, at })));
  return { hosts, journal, unread: undone.length };
}

test("a pass asks all hosts that nobody has read back at once, and not one after the other", async () => {
  const { hosts, journal, unread } = await unreadRun();
  assert.ok(unread > 1);
  let asked = 0;
  let most = 0;
  hosts.script = {
    async gate(_, step) {
      if (!step.startsWith("by-hand.")) return;
      asked += 1;
      most = Math.max(most, asked);
      for (let turns = 0; turns < 20; turns += 1) await new Promise((done) => setImmediate(done));
      asked -= 1;
    },
  };
  const state = await runController({ plan, journal, executor: hosts.executor, epoch: 2 });
  assert.equal(most, 4, "as many as the run has at work on hosts at the same time, and no more");
  assert.equal(
    state.added.every(({ id, work }) => state.hosts.get(`${id}/${work[0]?.host}`) === "done"),
    true,
  );
});

test("of hosts that stay silent the journal says so once, however many passes ask them", async () => {
  const { hosts, journal } = await unreadRun();
  hosts.script = { loses: (_, moment, step) => step.startsWith("by-hand.") && moment === "before submit" };
  const kept = journal.kept.length;
  for (const epoch of [2, 3]) await runController({ plan, journal, executor: hosts.executor, epoch });
  assert.deepEqual(journal.kept.slice(kept).map(({ kind }) => kind), ["run-resumed", "run-resumed"]); // biome-ignore format: one line
});

test("a silent host for which nothing else is left to do costs a pass one patience, not two", async () => {
  const hosts = inProcessHosts({ loses: (host, _, step) => host === "h1" && step === "by-hand.1" });
  const journal = memoryJournal();
  const only = makePlan(planInput({ components: { app: { hosts: ["h1"], tasks } } }));
  const task = only.steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat())).find(({ kind }) => kind === "hook") ?? assert.fail(); // biome-ignore format: one line
  const go = (epoch: number, more: object = {}) => {
    const clock = sleptClock();
    const begun = clock.now();
    return runController({ plan: only, journal, executor: hosts.executor, epoch, clock, more }).then(() => clock.now() - begun); // biome-ignore format: one line
  };
  await go(1, { pace: "one-task" });
  const step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h1", groups: [[task]] }] } as const; // biome-ignore format: one line
  await journal.append([{ kind: "step-added", step, by: "ann", reason: "-", stream: runStream(run), sequence: journal.kept.length + 1, at: 1 }]); // biome-ignore format: one line
  await go(2, { pace: "by-hand" });
  assert.ok((await go(3)) <= 10_000);
});
