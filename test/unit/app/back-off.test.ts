// A plan that fails without showing a version to be bad: tried again with growing pauses, until it differs or somebody asks.
import assert from "node:assert/strict";
import { test } from "node:test";
import { allBackOffs, backOffOf, pauseMs } from "../../../src/app/back-off.ts";
import { recall, remember } from "../../../src/app/controller-memory.ts";
import { holdHost, retryVersion } from "../../../src/app/run-control.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { makeAppender } from "../../../src/run/append.ts";
import { memoryJournal, sleptClock } from "../../support/engine.ts";
import { fleetOf, planInput } from "../../support/plan-input.ts";

const minute = 60_000;
const plan = makePlan(planInput({ components: { web: { hosts: ["web1", "web2"] } } }));
const act = { by: "anna", reason: "mended" };

function makeMemory() {
  const clock = sleptClock();
  const settings = { firstTrust: { releaseKeys: [], threshold: 1, controllerKeys: [], commitSigners: [] } };
  return { journal: memoryJournal(), clock, settings } as unknown as Parameters<typeof retryVersion>[0] & {
    journal: ReturnType<typeof memoryJournal>;
  };
}
type Memory = ReturnType<typeof makeMemory>;

async function ran(memory: Memory, run: string, end: EventBody, ...before: EventBody[]): Promise<void> {
  const appender = makeAppender({ ...memory, stream: `run/${run}`, last: 0 });
  const fleet = fleetOf(["web1", "web2"]);
  await appender.append({ kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet }, ...before, end);
  await memory.clock.sleep(1_000);
}
const stuck: EventBody = { kind: "run-ended", outcome: "stuck", reason: "check failed on web1" };
const asked = { plan, firstRetry: "after-a-pause" } as const;

test("pauses are 1, 5, 15 and 60 minutes; a person's first retry needs none", () => {
  assert.deepEqual([1, 2, 3, 4, 9].map((tries) => pauseMs(tries, "after-a-pause") / minute), [1, 5, 15, 60, 60]); // biome-ignore format: one line
  assert.deepEqual(
    [1, 2].map((tries) => pauseMs(tries, "at-once") / minute),
    [0, 5],
  );
});

test("tries of the same plan are counted; another plan, a good run or a retry starts afresh (P16)", async () => {
  const memory = makeMemory();
  assert.equal(await backOffOf(memory, asked), undefined);
  await ran(memory, "r1", stuck);
  await ran(memory, "r2", { kind: "run-ended", outcome: "rolled-back", reason: "switch.1 failed on web1" });
  const backOff = await backOffOf(memory, asked);
  assert.deepEqual([backOff?.tries, backOff?.run, backOff?.outcome], [2, "r2", "rolled-back"]);
  assert.equal((backOff?.nextTryAt ?? 0) - (backOff?.at ?? 0), 5 * minute);
  assert.equal(await backOffOf(memory, { ...asked, plan: { ...plan, hash: "sha256:other" } }), undefined);
  const less = { ...plan, changes: plan.changes.slice(1), waiting: plan.changes.slice(0, 1) };
  assert.equal(await backOffOf(memory, { ...asked, plan: less }), undefined, "a hold leaves the hash, and moves less");
  await assert.rejects(retryVersion(memory, { component: "db", ...act }), /Nothing of db/);
  await assert.rejects(retryVersion(memory, { component: "wbe", ...act }), {
    message: "Nothing of wbe is quarantined or waits for another try; did you mean web?",
    remedy: "cutover retry web --reason …",
  });
  const { released } = await retryVersion(memory, { component: "web", ...act });
  assert.deepEqual(released.map(({ run }) => run), ["r2"]); // biome-ignore format: one line
  assert.equal(await backOffOf(memory, asked), undefined);
  await memory.clock.sleep(1_000);
  await ran(memory, "r3", stuck);
  assert.equal((await backOffOf(memory, asked))?.tries, 1);
  await ran(memory, "r4", { kind: "run-ended", outcome: "done", reason: "" });
  assert.deepEqual(await allBackOffs(memory, "after-a-pause"), []);
});

test("a run that quarantined what failed is held by that, and a way back is no try", async () => {
  const memory = makeMemory();
  const bad = { component: "web", version: "2.0.0", tree: "sha256:1", reason: "unhealthy", evidence: "503" };
  await ran(memory, "r1", stuck, { kind: "quarantined", ...bad });
  assert.equal(await backOffOf(memory, asked), undefined);
});

test("a failed plan whose version somebody took back is held by the quarantine, and a retry lifts both", async () => {
  const memory = makeMemory();
  await ran(memory, "r1", stuck);
  assert.equal((await allBackOffs(memory, "after-a-pause")).length, 1);
  const [change] = plan.changes;
  assert.ok(change);
  const bad = { component: "web", version: change.to, tree: change.toTree, reason: "operator", evidence: "503" };
  await remember(memory, { kind: "quarantined", ...bad, tree: "sha256:another" });
  assert.equal((await allBackOffs(memory, "after-a-pause")).length, 1, "another tree of that name");
  await remember(memory, { kind: "quarantined", ...bad });
  assert.deepEqual([await allBackOffs(memory, "after-a-pause"), await backOffOf(memory, asked)], [[], undefined]);
  assert.equal((await retryVersion(memory, { component: "web", ...act })).lifted.length, 2);
  assert.deepEqual(await allBackOffs(memory, "after-a-pause"), []);
});

test("a hold with a typo is refused with the nearest name, once the fleet is known", async () => {
  const memory = makeMemory();
  await holdHost(memory, { host: "wbe3", ...act });
  await ran(memory, "r1", stuck);
  await assert.rejects(holdHost(memory, { host: "wbe1", ...act }), /no host wbe1; did you mean web1\?/);
  await holdHost(memory, { host: "web2", ...act });
});

test("a retry of one version lifts that one's quarantine and pause, and leaves the component's others", async () => {
  const memory = makeMemory();
  const bad = { kind: "quarantined", component: "web", reason: "unhealthy", evidence: "503" } as const;
  await remember(
    memory,
    { ...bad, version: "2.0.0", tree: "sha256:2" },
    { ...bad, version: "3.0.0", tree: "sha256:3" },
  );
  const [to] = plan.changes.map((change) => change.to);
  assert.ok(to);
  await ran(memory, "r1", stuck);
  const other = { component: "web", version: "9.9.9", ...act };
  await assert.rejects(retryVersion(memory, other), {
    message: /Nothing of web 9\.9\.9 is .*; quarantined: 2\.0\.0, 3\.0\.0/,
    remedy: "cutover retry web@2.0.0 --reason …",
  });
  const one = await retryVersion(memory, { component: "web", version: "3.0.0", ...act });
  assert.deepEqual(
    [one.lifted.map(({ version }) => version), one.released.length],
    [["3.0.0"], to === "3.0.0" ? 1 : 0],
  );
  assert.deepEqual([...(await recall(memory)).quarantined.keys()], ["web@sha256:2"]);
  const paused = await retryVersion(memory, { component: "web", version: to, ...act });
  assert.deepEqual(paused.released.map(({ run }) => run), ["r1"]); // biome-ignore format: one line
  assert.equal(await backOffOf(memory, asked), undefined);
});
