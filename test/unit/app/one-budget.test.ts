// P9 over the runs of one release: what one of them lost counts in the others, also in those that began before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { waitingFor } from "../../../src/app/release-trouble.ts";
import { besideInJournal } from "../../../src/app/standing-runs.ts";
import type { EventBody, RunId } from "../../../src/model/run-event.ts";
import type { JournalPort } from "../../../src/ports.ts";
import { makeAppender } from "../../../src/run/append.ts";
import { replayRun, runStream } from "../../../src/run/replay.ts";
import { sleptClock } from "../../support/engine.ts";
import type { HostScript } from "../../support/in-process-hosts.ts";
import { noSources, poolOver, runOf } from "../../support/pool-over.ts";

const failing = (...ids: string[]): HostScript => ({
  fails: ({ id, action }) => (ids.includes(id) && action === "do" ? "task-failed" : undefined),
});

/** A run of the release shop, all of its hosts in one batch. */
function ofShop(component: string, hosts: readonly string[], failureBudget: number) {
  const policy = { canaries: 0, batchSize: "100%", failureBudget } as const;
  const run = runOf(component, hosts, { policy, rollbackPolicy: "manual" });
  return { ...run, plan: { ...run.plan, release: "shop" } };
}

const switches = (ran: readonly string[]) =>
  ran.flatMap((line) => (line.endsWith("/switch do") ? line.split(" ")[0] : [])).sort();

async function write(journal: JournalPort, run: RunId, ...events: EventBody[]): Promise<void> {
  const { last } = await replayRun(journal, run);
  await makeAppender({ journal, clock: sleptClock(), stream: runStream(run), last }).append(...events);
}

test("P9: two runs of a release share its failure budget, whichever began first", async () => {
  const { pool, hosts, outcome } = await poolOver(failing("h1/a/switch", "h4/b/switch"), { concurrency: 1 });
  const runs = [ofShop("a", ["h1", "h2", "h3"], 1), ofShop("b", ["h4", "h5", "h6"], 1)];
  assert.deepEqual(await Promise.all(runs.map((run) => outcome(pool.start(run, noSources)))), ["waiting", "waiting"]);
  assert.deepEqual(switches(hosts.ran), ["h1", "h4"]);
});

test("P9: a run of a release that another one made trouble for pauses, says so, and goes on once that is over", async () => {
  const over = Promise.withResolvers<void>();
  const script: HostScript = {
    ...failing("h1/a/switch"),
    gate: async (host, step) => (host === "h4" && step.startsWith("check") ? over.promise : undefined),
  };
  const { pool, hosts, journal, outcome } = await poolOver(script);
  const a = pool.start(ofShop("a", ["h1"], 0), noSources);
  const b = pool.start(ofShop("b", ["h4", "h5"], 0), noSources);
  assert.equal(await outcome(a), "waiting");
  over.resolve();
  assert.equal(await outcome(b), "waiting");
  assert.deepEqual(switches(hosts.ran), ["h1"]);

  const paused = (await replayRun(journal, b.run)).state;
  const { trouble } = waitingFor(b.run, paused);
  assert.equal(trouble?.reason, "BudgetSpent");
  assert.equal(
    trouble?.message,
    `run ${b.run} waits: h1 is not well in ${a.run} of the same release, whose failure budget is 0`,
  );
  assert.equal(trouble?.next, `cutover task list ${a.run} --open`);

  const taken = async () => {
    assert.equal(await outcome(pool.resume(b.run, noSources)), "waiting");
    return (await journal.read(runStream(b.run))).length;
  };
  const size = await taken();
  assert.equal(await taken(), size, "a run that pauses writes nothing more");

  await write(journal, a.run, { kind: "rollback-started", scope: "release", reason: "seen", by: "someone" });
  assert.equal(await outcome(pool.resume(a.run, noSources)), "rolled-back");
  assert.equal(await outcome(pool.resume(b.run, noSources)), "done");
  assert.deepEqual(switches(hosts.ran), ["h1", "h4", "h5"]);
  const told = (await journal.read(runStream(b.run), ["unwell-beside"])).map((event) => event.kind === "unwell-beside" && event.hosts); // biome-ignore format: one line
  assert.deepEqual(told, [["h1"], []]);
});

test("P9: a silent host is waited for, where another run has used the budget that would let it go", async () => {
  const silent = new Set(["h1", "h4"]);
  const script: HostScript = {
    loses: (host, moment, step) => silent.has(host) && moment === "event" && step.startsWith("switch"),
  };
  const { pool, hosts, journal, outcome } = await poolOver(script, { concurrency: 1 });
  const a = pool.start(ofShop("a", ["h1", "h2"], 1), noSources);
  assert.equal(await outcome(a), "stuck", "its own budget lets h1 go");
  const c = pool.start(ofShop("c", ["h1"], 1), noSources);
  assert.equal(await outcome(c), "waiting", "nobody of it answers");
  const b = pool.start(ofShop("b", ["h4", "h5"], 1), noSources);
  assert.equal(await outcome(b), "waiting");
  const leftOut = () => journal.read(runStream(b.run), ["host-left-out"]);
  assert.deepEqual(await leftOut(), []);
  assert.deepEqual(switches(hosts.ran).slice(-1), ["h4"], "h4 and h1 are one more than the budget has: h5 does not switch"); // biome-ignore format: one line

  assert.deepEqual(await besideInJournal(journal, b.run), { hosts: ["h1"], runs: [c.run] });
  // A person's hold is the word that the host does not count.
  await write(journal, c.run, { kind: "host-left-out", step: "switch.1", host: "h1", reason: "burnt down" });
  assert.deepEqual(await besideInJournal(journal, b.run), { hosts: [], runs: [] });
});
