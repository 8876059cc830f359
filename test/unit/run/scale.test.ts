// A run at the size that the engine is made for. A test of growth, not of speed: what is quadratic takes minutes here.
import assert from "node:assert/strict";
import test from "node:test";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import type { JournalPort } from "../../../src/ports.ts";
import { makeAppender } from "../../../src/run/append.ts";
import { openRuns, replayRun } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController, sleptClock } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const cpuSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

test("a run of 10,000 hosts, and its replay, take seconds of CPU", async () => {
  const hosts = Array.from({ length: 10_000 }, (_, index) => `h${String(index).padStart(5, "0")}`);
  const plan = makePlan(planInput({ components: { app: { hosts, health: true } }, policy: { batchSize: 100 } }));
  const journal = memoryJournal();
  const began = cpuSeconds();
  const { executor } = inProcessHosts();
  const state = await runController({ plan, journal, executor, epoch: 1, more: { concurrency: 100 } });
  const replayed = await replayRun(journal, run);
  assert.deepEqual(await openRuns(journal), []);
  const took = cpuSeconds() - began;
  assert.equal(state.outcome, "done");
  assert.equal(replayed.state.hosts.size, state.hosts.size);
  assert.ok(took < 30, `${took.toFixed(1)} s of CPU`);
});

test("an ended run is recognised by its newest event: it is not replayed again with every pass", async () => {
  const journal = memoryJournal();
  const plan = makePlan(planInput({ components: { app: { hosts: ["h1"] } } }));
  await runController({ plan, journal, executor: inProcessHosts().executor, epoch: 1 });
  const asked: string[] = [];
  const watched: JournalPort = {
    ...journal,
    read: (stream) => {
      asked.push(stream);
      return journal.read(stream);
    },
  };
  assert.deepEqual(await openRuns(watched), []);
  assert.deepEqual(asked, []);
});

test("what many hosts report in one turn is one write, in order; a write that failed fails all of it (F2)", async () => {
  const writes: (readonly JournalEvent[])[] = [];
  let full = false;
  const journal: Pick<JournalPort, "append"> = {
    async append(events) {
      if (full) throw new Error("disk full");
      writes.push([...events]);
    },
  };
  const appender = makeAppender({ journal: journal as JournalPort, clock: sleptClock(), stream: "run/r1", last: 0 });
  const said = (host: number) => ({ kind: "submitted", step: "check", host: `h${host}` }) as const;
  const kept = await Promise.all(Array.from({ length: 100 }, (_, index) => appender.append(said(index), said(index))));
  assert.deepEqual(
    kept.flat().map(({ sequence }) => sequence),
    Array.from({ length: 200 }, (_, index) => index + 1),
  );
  assert.deepEqual(writes, [kept.flat()]);
  full = true;
  const results = await Promise.allSettled([appender.append(said(1)), appender.append(said(2))]);
  full = false;
  assert.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  await assert.rejects(appender.append(said(3)), /disk full/, "and nothing is written after a gap");
});
