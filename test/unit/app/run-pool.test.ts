// The pool of open runs over hosts in memory: side by side, bounded together, stopped one by one, and never forgotten.
import assert from "node:assert/strict";
import { test } from "node:test";
import { blockedBy, blockedText } from "../../../src/app/beside-open-runs.ts";
import type { JournalPort } from "../../../src/ports.ts";
import { memoryJournal } from "../../support/engine.ts";
import type { HostScript } from "../../support/in-process-hosts.ts";
import { noSources, poolOver, runOf, storyGate } from "../../support/pool-over.ts";

test("R33: two runs go on at the same time, and both claim what they change until they end", async () => {
  const held = storyGate();
  const { pool, hosts, outcome } = await poolOver({ gate: held.gate });
  const runs = [pool.start(runOf("a", ["h1", "h2"]), noSources), pool.start(runOf("b", ["h1"]), noSources)];
  assert.deepEqual(pool.open().map(({ state, claims }) => `${state} ${[...claims.places.keys()]}`), ["under-way h1/a,h2/a", "under-way h1/b"]); // biome-ignore format: one line
  while (hosts.ran.length < 3) await new Promise((done) => setImmediate(done));
  held.open();
  assert.deepEqual(await Promise.all(runs.map(outcome)), ["done", "done"]);
  assert.deepEqual(pool.open(), []);
});

test("all runs together work on no more hosts at once than the settings say", async () => {
  let [now, most] = [0, 0];
  const counted: HostScript = {
    async gate() {
      now += 1;
      most = Math.max(most, now);
      await new Promise((done) => setImmediate(done));
      now -= 1;
    },
  };
  const { pool, outcome } = await poolOver(counted, { concurrency: 2 });
  // One by one, each run asks for one turn at a time, and nobody waits long enough to be confirmed early.
  const world = { policy: { canaries: 0, batchSize: 1 } };
  const runs = ["a", "b", "c"].map((name) => pool.start(runOf(name, ["h1", "h2", "h3"], world), noSources));
  assert.deepEqual(await Promise.all(runs.map(outcome)), ["done", "done", "done"]);
  assert.equal(most, 2);
});

test("who stops one run stops that one only: it stays open and claimed, the other ends; taken up again, it ends as well (P6)", async () => {
  const held = storyGate();
  const { pool, hosts, journal, outcome } = await poolOver({ gate: held.gate });
  const [a, b] = [pool.start(runOf("a", ["h1"]), noSources), pool.start(runOf("b", ["h1"]), noSources)];
  while (hosts.ran.length < 2) await new Promise((done) => setImmediate(done));
  const stopped = pool.stop(a.run, "an operator asked");
  held.open();
  await stopped;
  assert.equal(await outcome(a), "stopped");
  assert.equal(await outcome(b), "done");
  assert.deepEqual(pool.open().map(({ run, state }) => `${run} ${state}`), [`${a.run} left`]); // biome-ignore format: one line
  assert.equal(await outcome(pool.resume(a.run, noSources)), "done");
  const twice = hosts.ran.filter((ran, index) => hosts.ran.indexOf(ran) !== index);
  assert.deepEqual(twice, []);
  assert.equal((await journal.read(`run/${a.run}`, ["run-ended"])).length, 1);
});

test("F18: a lost lease stops every run; both stay open, and nothing of them goes on any more", async () => {
  const lost = new AbortController();
  const held = storyGate();
  const { pool, hosts, journal } = await poolOver({ gate: held.gate }, { signal: lost.signal });
  const runs = [pool.start(runOf("a", ["h1"]), noSources), pool.start(runOf("b", ["h1"]), noSources)];
  while (hosts.ran.length < 2) await new Promise((done) => setImmediate(done));
  lost.abort(new Error("somebody else took over"));
  held.open();
  await pool.idle();
  for (const { ended } of runs) await assert.rejects(ended, /somebody else took over/);
  const written = (await Promise.all(runs.map(({ run }) => journal.read(`run/${run}`)))).flat().length;
  const ran = hosts.ran.length;
  await new Promise((done) => setTimeout(done, 20));
  const later = (await Promise.all(runs.map(({ run }) => journal.read(`run/${run}`)))).flat().length;
  assert.deepEqual([later, hosts.ran.length], [written, ran]);
  assert.deepEqual(pool.open().map(({ state }) => state), ["left", "left"]); // biome-ignore format: one line
});

test("a run that waits for a silent host holds up only what it claims; the next process knows what that is (P7)", async () => {
  const silent: HostScript = { loses: (host, moment, step) => host === "h1" && moment === "event" && step.startsWith("switch") }; // biome-ignore format: one line
  const { pool, journal, outcome } = await poolOver(silent);
  const a = pool.start(runOf("a", ["h1"]), noSources);
  assert.equal(await outcome(a), "waiting");
  for (let count = 0; count < 60; count += 1)
    assert.equal(await outcome(pool.start(runOf(`b${count}`, ["h2"]), noSources)), "done");
  const next = (await poolOver({}, { journal })).pool;
  const [left] = next.open();
  assert.deepEqual([left?.run, left?.state, [...(left?.unwell ?? [])]], [a.run, "left", ["h1"]]);
  const text = (release: string, hosts: string[], component = "a") =>
    blockedText(blockedBy({ ...runOf(component, hosts).plan, release }, next.open()));
  assert.equal(text("other", ["h2"]), "");
  assert.equal(text("other", ["h1"], "b"), "");
  assert.match(
    text("other", ["h1", "h2"]),
    new RegExp(`^a on h1 is claimed by run ${a.run} of release a, since 1970-`),
  );
});

test("P9: what one run of a release lost is gone from the budget of the next; past it nothing more of the release starts", async () => {
  const silent: HostScript = { loses: (host, moment, step) => host === "h1" && moment === "event" && step.startsWith("switch") }; // biome-ignore format: one line
  const { pool, outcome } = await poolOver(silent);
  assert.equal(await outcome(pool.start(runOf("a", ["h1"]), noSources)), "waiting");
  const joining = (failureBudget: number) => ({
    ...runOf("b", ["h2"], { policy: { failureBudget } }).plan,
    release: "a",
  });
  assert.match(blockedText(blockedBy(joining(0), pool.open())), /^h1 failed or fell silent in run .*; the release's failure budget is 0$/); // biome-ignore format: one line
  assert.deepEqual(blockedBy(joining(2), pool.open()), []);
});

test("F9: a run that could not be journaled claims nothing", async () => {
  const journal = memoryJournal();
  const full: JournalPort = { ...journal, append: () => Promise.reject(new Error("disk full")) };
  const { pool } = await poolOver({}, { journal: full });
  await assert.rejects(pool.start(runOf("a", ["h1"]), noSources).ended, /disk full/);
  assert.deepEqual(pool.open(), []);
});
