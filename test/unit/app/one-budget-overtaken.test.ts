// P9 over the runs of one release, where one hears of the other in the middle of what it does.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import type { UnwellBeside } from "../../../src/run/unwell-beside.ts";
import { memoryJournal, runController } from "../../support/engine.ts";
import { type HostScript, inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";
import { noSources, poolOver, runOf } from "../../support/pool-over.ts";

test("P9: what a run hears while its host waits for a turn is no fault of the driver: it pauses", async () => {
  const over = Promise.withResolvers<void>();
  const script: HostScript = {
    fails: ({ id }) => (id === "h1/a/switch" ? "task-failed" : undefined),
    gate: async (host, step) => (host === "h1" && step.startsWith("switch") ? over.promise : undefined),
  };
  const { pool, hosts, events, outcome } = await poolOver(script, { concurrency: 1 });
  const ofShop = (component: string, host: string) => {
    const run = runOf(component, [host], { rollbackPolicy: "manual" });
    return { ...run, plan: { ...run.plan, release: "shop" } };
  };
  const [a, b] = [pool.start(ofShop("a", "h1"), noSources), pool.start(ofShop("b", "h4"), noSources)];
  const isAtSwitch = (event: JournalEvent) => event.kind === "step-started" && event.step === "switch.1" && event.stream === `run/${b.run}`; // biome-ignore format: one line
  while (!events.some(isAtSwitch)) await new Promise((done) => setImmediate(done));
  over.resolve();
  assert.deepEqual([await outcome(a), await outcome(b)], ["waiting", "waiting"]);
  assert.ok(!hosts.ran.some((line) => line.endsWith("h4/b/switch do")), "h4 did not switch");
});

test("P9: nor is it one where that is over by the time that the driver looks again", async () => {
  const plan = makePlan(planInput({ components: { a: { hosts: ["h1"] } } }));
  const { executor } = inProcessHosts();
  const none: UnwellBeside = { hosts: [], runs: [] };
  let isBad = false;
  const beside = () => (isBad ? { hosts: ["h9"], runs: ["r9"] } : none);
  let refused = 0;
  // Bad just while the turn of the switch comes.
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    isBad = journal.kept.at(-1)?.kind === "step-started" && refused++ === 0;
    try {
      return await work();
    } finally {
      isBad = false;
    }
  };
  const journal = memoryJournal();
  const ended = await runController({ plan, journal, executor, epoch: 1, more: { beside, inTurn } });
  assert.equal(ended.outcome, "done");
});

test("P9: a host that was confirmed early, and that a person holds since, is nothing that others of its batch wait for", async () => {
  const plan = makePlan(
    planInput({
      components: { app: { hosts: ["h1", "h2", "h3", "h4"] } },
      policy: { canaries: 0, batchSize: "100%" },
    }),
  );
  const journal = memoryJournal();
  const slow = Promise.withResolvers<void>();
  const { executor } = inProcessHosts({
    gate: async (host, step) => {
      if (step === "switch.1" && (host === "h2" || host === "h3")) await slow.promise;
    },
    loses: (host, _moment, step) => host === "h1" && step === "confirm.1",
  });
  const isSilent = (event: JournalEvent) => event.kind === "host-ended" && event.step === "confirm.1" && event.outcome === "unknown"; // biome-ignore format: one line
  const onEvent = (event: JournalEvent) => {
    if (isSilent(event)) slow.resolve();
  };
  const one = { plan, journal, executor };
  const waiting = await runController({ ...one, epoch: 1, more: { onEvent, concurrency: 2 } });
  assert.equal(waiting.hosts.get("switch.1/h4"), undefined, "h4 had not begun");
  const sequence = journal.kept.length + 1;
  await journal.append([
    { stream: "run/r1", sequence, at: 1, kind: "host-left-out", step: "confirm.1", host: "h1", reason: "burnt down" },
  ]);
  const beside = () => ({ hosts: ["h9"], runs: ["r9"] });
  const bounded = () => assert.ok(journal.kept.length < 200, "the journal grows for ever");
  const paused = await runController({ ...one, epoch: 2, more: { beside, onEvent: bounded } });
  assert.equal(paused.outcome, undefined);
  assert.ok(!paused.endedSteps.has("confirm.1"), "h4 is to be confirmed as well");
  const ended = await runController({ ...one, epoch: 3, more: { beside: () => ({ hosts: [], runs: [] }) } });
  assert.match(ended.reason, /^left out: h1; every other host read back/);
});
