// Whose session is whose: runs that share a host share no session, and what a run gets after `close` was opened after it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeKeptSessions } from "../../src/adapters/ssh/kept-sessions.ts";
import type { SessionClient } from "../../src/adapters/ssh/session-client.ts";
import type { Host } from "../../src/model/fleet.ts";
import type { Fence } from "../../src/ports.ts";

const host = { name: "web1" } as Host;
const fenceOf = (run: string, epoch = 1): Fence => ({ run, epoch, holder: "me" });

function keptSessions() {
  const opened: { session: SessionClient; closed: boolean }[] = [];
  const kept = makeKeptSessions(async () => {
    const entry = { closed: false } as { session: SessionClient; closed: boolean };
    entry.session = { close: () => (entry.closed = true) } as unknown as SessionClient;
    opened.push(entry);
    return entry.session;
  });
  /** Takes, says who writes as the executor does, and gives back unless told to keep. */
  const use = async (fence: Fence | undefined, keeping: "keep" | "give-back" = "give-back") => {
    const taken = kept.take(host, fence);
    const session = await taken.entry.session;
    if (fence !== undefined) taken.entry.fence ??= fence;
    if (keeping === "give-back") taken.giveBack();
    return { taken, number: opened.findIndex((entry) => entry.session === session) + 1 };
  };
  return { kept, use, openNow: () => opened.flatMap(({ closed }, index) => (closed ? [] : [index + 1])) };
}

test("R33: two runs on one host have a session each; the first takes over the one that observed the host", async () => {
  const { use, openNow } = keptSessions();
  assert.equal((await use(undefined)).number, 1);
  assert.equal((await use(fenceOf("one"))).number, 1);
  assert.equal((await use(fenceOf("two"))).number, 2);
  assert.equal((await use(fenceOf("one"))).number, 1);
  assert.equal((await use(undefined)).number, 1, "a question takes what is not at work");
  assert.deepEqual(openNow(), [1, 2]);
});

test("a question waits for no run that works, and does not hold one up", async () => {
  const { use } = keptSessions();
  const working = await use(fenceOf("one"), "keep");
  const asking = await use(undefined, "keep");
  assert.equal(asking.number, 2);
  assert.equal((await use(fenceOf("two"))).number, 3, "nobody is given a session that answers a question");
  working.taken.giveBack();
  asking.taken.giveBack();
});

test("confirm comes over a connection that was opened after the switch; the other run's stays, and a question gets its answer", async () => {
  const { kept, use, openNow } = keptSessions();
  const switched = await use(fenceOf("one"));
  await use(fenceOf("two"), "keep");
  const observing = await use(undefined, "keep");
  assert.equal(observing.number, switched.number, "an idle session of a run answers questions");
  const unfenced = await use(undefined, "keep");
  assert.equal(unfenced.number, 3);
  await kept.close("web1", "one");
  assert.deepEqual(openNow(), [1, 2, 3], "both answer first");
  assert.equal((await use(fenceOf("one"))).number, 4);
  observing.taken.giveBack();
  unfenced.taken.giveBack();
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(openNow(), [2, 4]);
});

test("a run that was stopped while it listened loses its session at once; another epoch of a run gets its own", async () => {
  const { kept, use, openNow } = keptSessions();
  await use(fenceOf("one"), "keep");
  await kept.close(undefined, "one");
  assert.deepEqual(openNow(), []);
  assert.equal((await use(fenceOf("one"))).number, 2);
  assert.equal((await use(fenceOf("one", 2))).number, 3);
  assert.deepEqual(openNow(), [3]);
  await use(undefined, "keep");
  await kept.close();
  assert.deepEqual(openNow(), []);
});
