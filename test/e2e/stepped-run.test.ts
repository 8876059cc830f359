// A run that somebody steps through stays where they left it: a verb for one task does that task and no more, on real hosts.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { inFullForm } from "../support/full-form.ts";
import { stepUntil } from "../support/step-until.ts";
import { loopbackSkip } from "../support/with-lab.ts";
import { data, versionOf, withOrders, words } from "../support/with-orders.ts";

/** What was done by the run's own steps, in order: by hand is not among it. */
const doneOf = (events: readonly JournalEvent[]) =>
  events.flatMap((event) =>
    event.kind === "task" && event.event.state === "done" && !event.step.startsWith("by-hand.")
      ? [event.event.task]
      : [],
  );
const isOpen = (events: readonly JournalEvent[]) => !events.some(({ kind }) => kind === "run-ended");

inFullForm(
  "a dry run, and a task run by hand, leave a run that is stepped through where it stands, also on a host that has nothing of it yet",
  { skip: loopbackSkip },
  () =>
    withOrders(async ({ cutover, hosts, ...world }) => {
      const [first, , third] = hosts;
      assert.ok(first && third);
      await world.publishOrders("1.0.0");
      await world.pushOrders("1.0.0");
      await cutover(2, "step");
      const before = doneOf(await world.runEvents());

      for (const host of [first, third]) {
        const dry = await cutover(0, "task", "run", `${host.name}/orders/convert`, "--dry-run", "--reason", "try");
        assert.match(dry.text, /would convert 1 rows/);
        assert.match(dry.text, /open: run \S+: the next step is distribute\nnext: cutover step/);
        assert.equal(await readFile(data(host), "utf8"), "1,5\n", "a dry run changes nothing");
      }
      await cutover(0, "task", "run", `${first.name}/orders/convert`, "--reason", "by hand");
      assert.equal(await readFile(data(first), "utf8"), "1;5\n");
      await cutover(0, "task", "run", `${first.name}/orders/convert`, "--undo", "--reason", "and back");
      assert.equal(await readFile(data(first), "utf8"), "1,5\n");

      const after = await world.runEvents();
      assert.ok(isOpen(after), "nobody asked for the rest of it");
      assert.deepEqual(doneOf(after), before, "not one task of the run itself");
      assert.match((await cutover(2, "step")).text, /done host-2\/orders\/distribute/);
      await cutover(0, "reconcile", "--once");
      assert.deepEqual(await Promise.all(hosts.map(versionOf)), ["1.0.0", "1.0.0", "1.0.0"]);
    }),
);

test(
  "undo, retry and skip do what they say in a run that is stepped through, and leave the rest to the next step (R31, R32)",
  { skip: loopbackSkip },
  () =>
    withOrders(async ({ cutover, hosts, ...world }) => {
      const [first, second, third] = hosts;
      assert.ok(first && second && third);
      await world.publishOrders("1.0.0", false);
      await world.pushOrders("1.0.0");
      const place = `${second.name}/orders/convert`;
      await stepUntil(world, `${first.name}/orders/confirm`);
      assert.match((await cutover(4, "step")).text, /failed: host-2 orders\/convert/);

      await cutover(0, "task", "undo", place, "--reason", "odd rows");
      assert.equal(await readFile(data(second), "utf8"), "1,5\nodd,7\n");
      await writeFile(data(second), "1,5\n");
      const would = await cutover(0, "task", "retry", place, "--dry-run", "--reason", "no odd row any more");
      assert.match(would.text, /switch\.2 on host-2: host-2\/orders\/convert do, and no more: cutover step goes on/);
      const before = doneOf(await world.runEvents());
      const retried = await cutover(2, "task", "retry", place, "--reason", "no odd row any more");
      assert.match(retried.text, /next: cutover step, or cutover reconcile --once for the rest/);
      assert.deepEqual(doneOf(await world.runEvents()), [...before, place], "that task, and nothing else");
      assert.match((await cutover(2, "step")).text, /done host-2\/orders\/switch in/);

      const stood = (await world.runEvents()).length;
      const last = `${third.name}/orders/convert`;
      await cutover(2, "task", "skip", last, "--key", join(world.home, "keys/operator"), "--reason", "no data there");
      const said = (await world.runEvents()).slice(stood).map(({ kind }) => kind);
      assert.deepEqual(said, ["task-skipped", "host-reopened"], "a word in the journal, and nothing was driven");
      assert.match((await cutover(2, "step")).text, /done host-2\/orders\/count in/);

      await cutover(0, "reconcile", "--once");
      assert.deepEqual(await Promise.all(hosts.map(versionOf)), ["1.0.0", "1.0.0", "1.0.0"]);
      assert.doesNotMatch(await readFile(words(third), "utf8"), /convert/);
    }),
);

// Scenario 1 in `task-control.test.ts` mends a bundle inside its run at every push.
inFullForm(
  "a mended bundle comes to the host that is tried again, and its task is done with it; the run stays stepped through (R31)",
  { skip: loopbackSkip },
  () =>
    withOrders(async ({ cutover, hosts, ...world }) => {
      const [first, second] = hosts;
      assert.ok(first && second);
      await world.publishOrders("1.0.0", false);
      await world.pushOrders("1.0.0");
      const place = `${second.name}/orders/convert`;
      await stepUntil(world, `${first.name}/orders/confirm`);
      assert.match((await cutover(4, "step")).text, /failed: host-2 orders\/convert/);
      await cutover(0, "task", "undo", place, "--reason", "odd rows");

      await world.amendOrders("1.0.0");
      const before = doneOf(await world.runEvents());
      await cutover(2, "task", "retry", place, "--amend", "--reason", "mended");
      assert.equal(await readFile(data(second), "utf8"), "1;5\nodd;7\n");
      const since = doneOf(await world.runEvents()).slice(before.length);
      assert.deepEqual(since, ["distribute", "build", "convert"].map((task) => `${second.name}/orders/${task}`)); // biome-ignore format: one line

      await cutover(0, "reconcile", "--once");
      assert.deepEqual(await Promise.all(hosts.map(versionOf)), ["1.0.0", "1.0.0", "1.0.0"]);
    }),
);

test(
  "what was taken back in a run that is stepped through is missing until it is tried again or run by hand: no step goes on without it (P7, R31)",
  { skip: loopbackSkip },
  () =>
    withOrders(async ({ cutover, hosts, ...world }) => {
      const [first] = hosts;
      assert.ok(first);
      await world.publishOrders("1.0.0");
      await world.pushOrders("1.0.0");
      const place = `${first.name}/orders/convert`;
      await stepUntil(world, place);
      const converts = async () => (await readFile(words(first), "utf8")).split("\n").filter((word) => word === "convert").length; // biome-ignore format: one line

      await cutover(0, "task", "undo", place, "--reason", "look");
      assert.equal(await readFile(data(first), "utf8"), "1,5\n");
      const before = doneOf(await world.runEvents());
      assert.match((await cutover(4, "step")).text, /changed by hand: host-1\/orders\/convert/);
      // A pass that drives nothing does not end the stepping either.
      assert.match((await cutover(4, "reconcile", "--once")).text, /changed by hand: host-1\/orders\/convert/);
      assert.deepEqual(doneOf(await world.runEvents()), before, "nothing switches over data that is not converted");
      assert.equal(await converts(), 1);

      await cutover(2, "task", "retry", place, "--reason", "again");
      assert.equal(await converts(), 2, "the script itself ran, not what the host remembers of the turn before");
      await cutover(0, "task", "undo", place, "--reason", "once more");
      const counts = await cutover(0, "task", "run", place, "--reason", "by hand");
      assert.doesNotMatch(counts.text, /still waits/);
      assert.deepEqual([await converts(), await readFile(data(first), "utf8")], [3, "1;5\n"]);
      assert.match((await cutover(2, "step")).text, /done host-1\/orders\/switch in/);
      assert.equal(await converts(), 3, "what was done by hand is done");
      await cutover(0, "reconcile", "--once");
      assert.deepEqual(await Promise.all(hosts.map(versionOf)), ["1.0.0", "1.0.0", "1.0.0"]);
    }),
);
