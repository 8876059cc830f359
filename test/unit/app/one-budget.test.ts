// P9 over the runs of one release: what one of them lost counts in the others, also in those that began before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { resultOf } from "../../../src/app/execute-run.ts";
import { readOpenRuns } from "../../../src/app/read-open-runs.ts";
import { waitingFor } from "../../../src/app/release-trouble.ts";
import { refuseRunAtWork } from "../../../src/app/run-at-work.ts";
import type { RunPool } from "../../../src/app/run-pool.ts";
import { besideInJournal } from "../../../src/app/standing-runs.ts";
import { readTaskBook } from "../../../src/app/tasks/task-book.ts";
import { watchDecisions } from "../../../src/app/watch-decisions.ts";
import { startProgress } from "../../../src/cli/progress.ts";
import { renderPass } from "../../../src/cli/render-pass.ts";
import { renderRunEvent } from "../../../src/cli/render-run-event.ts";
import { toText } from "../../../src/cli/text.ts";
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

/** How often `serve` hears of it, in a few looks. */
async function freedHints(pool: RunPool, journal: JournalPort): Promise<number> {
  const over = new AbortController();
  let [looks, hints] = [0, 0];
  const sleep = async () => {
    looks += 1;
    if (looks === 5) over.abort();
  };
  const clock = { now: () => 0, sleep };
  const onFreed = () => {
    hints += 1;
  };
  await watchDecisions({ controller: { journal, clock }, pool, signal: over.signal, onDecision() {}, onFreed });
  return hints;
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
    `run ${b.run} waits: h1 is not well in ${a.run} of the same release; its failure budget is 0, and no further host switches before that is over`,
  );
  assert.equal(trouble?.next, `cutover task list ${a.run} --open`);

  const taken = async () => {
    assert.equal(await outcome(pool.resume(b.run, noSources)), "waiting");
    return (await journal.read(runStream(b.run))).length;
  };
  assert.equal(await freedHints(pool, journal), 0);
  const size = await taken();
  assert.equal(await taken(), size, "a run that pauses writes nothing more");

  const looks = async () => {
    const open = (await readOpenRuns(journal)).find(({ run }) => run === b.run);
    const { standing, reason, next } = await readTaskBook(journal, b.run);
    return { trouble: open?.trouble.reason, book: { standing, reason, next }, isFreed: pool.open().find(({ run }) => run === b.run)?.isFreed }; // biome-ignore format: one line
  };
  const reason = `h1 is not well in ${a.run} of the same release; its failure budget is 0, and no further host switches before that is over`;
  const next = [`cutover task list ${a.run} --open`];
  assert.deepEqual(await looks(), { trouble: "BudgetSpent", book: { standing: "paused", reason, next }, isFreed: false }); // biome-ignore format: one line
  const pass = renderPass({ commit: "c", resumed: [resultOf(b.run, paused)], results: [], warnings: [] });
  const said = toText(pass, { color: false, width: 500, overflow: "cut" });
  assert.deepEqual(said.slice(0, 3), [`shop: waiting (BudgetSpent) (run ${b.run})`, `  run ${b.run} waits: ${reason}`, `next: ${next[0]}`]); // biome-ignore format: one line
  const atWork = { message: `The running cutover serve goes on with this run by itself: run ${b.run} waits: ${reason}`, remedy: next[0] }; // biome-ignore format: one line
  assert.throws(() => refuseRunAtWork({ run: b.run, state: paused }), { code: "run-at-work", ...atWork });

  await write(journal, a.run, { kind: "rollback-started", scope: "release", reason: "seen", by: "someone" });
  assert.equal(await outcome(pool.resume(a.run, noSources)), "rolled-back");
  // Its own journal does not say so yet, and who looks is told.
  const after = await looks();
  assert.deepEqual([after.trouble, after.book.standing, after.isFreed], ["RunOpen", "going", true]);
  assert.equal(await freedHints(pool, journal), 1, "serve takes it up, and is told once");
  assert.equal(await outcome(pool.resume(b.run, noSources)), "done");
  assert.deepEqual(switches(hosts.ran), ["h1", "h4", "h5"]);
  const told = (await journal.read(runStream(b.run), ["unwell-beside"])).map((event) => event.kind === "unwell-beside" && event.hosts); // biome-ignore format: one line
  assert.deepEqual(told, [["h1"], []]);
  const lines = (await journal.read(runStream(b.run), ["unwell-beside"])).flatMap((event) => renderRunEvent(startProgress(b.run, 0), event).lines); // biome-ignore format: one line
  assert.deepEqual(toText(lines, { color: false, width: 500, overflow: "cut" }), [
    `not well elsewhere: h1, in ${a.run} of the same release, which shares its failure budget with this one`,
    "well again: no other open run of the release has a host that is not well",
  ]);
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

  const besideB = async () => (await besideInJournal(journal)).besideOf(b.run);
  assert.deepEqual(await besideB(), { hosts: ["h1"], runs: [c.run] });
  // A person's hold is the word that the host does not count.
  await write(journal, c.run, { kind: "host-left-out", step: "switch.1", host: "h1", reason: "burnt down" });
  assert.deepEqual(await besideB(), { hosts: [], runs: [] });
});
