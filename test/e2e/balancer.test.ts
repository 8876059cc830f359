// Strategy `balancer` (R20): services that end without any grace are replaced behind a real HAProxy on another host, and its
// clients notice nothing: no refused connection, no answer cut short, none from a version that is not well.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { withLease } from "../../src/app/controller.ts";
import { rollBackRelease } from "../../src/app/roll-back.ts";
import type { RollBackResult } from "../../src/app/rolled-back.ts";
import { holdHost } from "../../src/app/run-control.ts";
import { runTask } from "../../src/app/tasks/run-task.ts";
import { readTaskBook } from "../../src/app/tasks/task-book.ts";
import type { CutoverError } from "../../src/errors.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { afterWrite, controllerGone } from "../support/after-write.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { inFullForm } from "../support/full-form.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";
import { type BalancedWorld, type Traffic, underTraffic, webPort, withBalancer } from "../support/with-balancer.ts";
import { debianServersSkip } from "../support/with-lab.ts";

const options = { skip: debianServersSkip, timeout: 1_200_000 };
const bothUp = { "host-1": "UP", "host-2": "UP" };

test(
  "services behind a balancer are upgraded and taken back with no request lost, though they end without grace (P11)",
  options,
  (context) =>
    withBalancer(async (world) => {
      await install(world, ["1.0.0", "2.0.0"]);
      const events: JournalEvent[] = [];
      await world.pushWeb("2.0.0");
      const there = await underTraffic(world.balancer, () =>
        world.reconcile({ onEvent: (event) => void events.push(event) }),
      );
      assertOutcomes(there.value, "done");
      assertNoneLost(context, "there", there.traffic);
      assert.deepEqual(Object.keys(there.traffic.versions).sort(), ["1.0.0", "2.0.0"]);
      assert.deepEqual(storyOf(events), [
        ...["-host-1", "switch host-1", "confirm host-1", "+host-1"],
        ...["-host-2", "switch host-2", "confirm host-2", "+host-2"],
      ]);
      for (const event of events)
        if (event.kind === "task" && event.event.task.endsWith("/switch") && event.event.state === "done")
          assert.match(event.event.evidence, /^old-pid=(\d+) new-pid=(?!\1 )\d+ from=1\.0\.0 to=2\.0\.0/);
      assert.deepEqual(await world.servers(), bothUp);
      assert.deepEqual(await versions(world), ["2.0.0", "2.0.0"]);

      const back = await underTraffic(world.balancer, () => rollBack(world));
      assert.equal(back.value.state.outcome, "done");
      assertNoneLost(context, "back", back.traffic);
      assert.deepEqual(await world.servers(), bothUp);
      assert.deepEqual(await versions(world), ["1.0.0", "1.0.0"]);
    }),
);

inFullForm(
  "a version that fails its own check never gets traffic, and its host goes back and into traffic again (P9, P16)",
  options,
  (context) =>
    withBalancer(async (world) => {
      await install(world, ["1.0.0"]);
      await world.publishWeb("2.0.0", { status: { "/self": 500, "/": 500 } });
      await world.pushWeb("2.0.0");
      const { value, traffic } = await underTraffic(world.balancer, () => world.reconcile());
      assertOutcomes(value, "rolled-back");
      assertNoneLost(context, "a bad version", traffic);
      assert.deepEqual(Object.keys(traffic.versions), ["1.0.0"]);
      assert.deepEqual(await world.servers(), bothUp);
      assert.deepEqual(await versions(world), ["1.0.0", "1.0.0"]);
    }),
);

inFullForm(
  "where the balancer cannot be asked, a rollback is refused with the way to go back at once, in traffic",
  options,
  () =>
    withBalancer(async (world) => {
      await install(world, ["1.0.0", "2.0.0"]);
      await world.pushWeb("2.0.0");
      assertOutcomes(await world.reconcile(), "done");
      await world.withController((controller) =>
        holdHost(controller, { host: "host-3", by: "anna", reason: "it burns" }),
      );
      await assert.rejects(rollBack(world), (error: CutoverError) => {
        assert.equal(error.code, "balancer-held");
        assert.match(error.remedy ?? "", /cutover rollback \S+ --in-traffic --reason/);
        return true;
      });
      assert.deepEqual(await versions(world), ["2.0.0", "2.0.0"]);
      const { state } = await rollBack(world, { inTraffic: true });
      assert.equal(state.outcome, "done");
      assert.deepEqual(await versions(world), ["1.0.0", "1.0.0"]);
      assert.deepEqual(
        [...state.tasks.keys()].filter((id) => id.startsWith("host-3/")),
        [],
      );
    }),
);

inFullForm("in the middle of a run whose balancer is gone, an operator goes back in traffic", options, () =>
  withBalancer(async (world) => {
    await install(world, ["1.0.0", "2.0.0"]);
    await world.pushWeb("2.0.0");
    await assert.rejects(world.reconcile({ wrapJournal: dieWhen(isInTraffic) }), controllerGone);
    await world.balancer.stopSshd();
    const waits = await rollBack(world, { patienceMs: 1_000 });
    assert.deepEqual([waits.state.outcome, await versions(world)], [undefined, ["2.0.0", "1.0.0"]]);
    const back = await rollBack(world, { inTraffic: true });
    assert.deepEqual([back.state.outcome, await versions(world)], ["rolled-back", ["1.0.0", "1.0.0"]]);
    await world.balancer.startSshd();
    // It was started anew in traffic: HAProxy looks twice before it takes it for well again.
    await bothAreUp(world);
  }),
);

inFullForm("a person takes a host out of traffic and puts it back by hand; the last one is refused", options, () =>
  withBalancer(async (world) => {
    await install(world, ["1.0.0"]);
    assert.equal((await byHand(world, "host-1", "do")).state.outcome, "done");
    assert.deepEqual(await world.servers(), { "host-1": "MAINT", "host-2": "UP" });
    const last = await byHand(world, "host-2", "do");
    assert.equal(last.state.outcome, "stuck");
    assert.match(
      last.state.tasks.get("host-3/haproxy-pool/pool.host-2")?.evidence ?? "",
      /the last one in traffic of web/,
    );
    assert.equal((await byHand(world, "host-1", "undo")).state.outcome, "done");
    assert.deepEqual(await world.servers(), bothUp);
    await assert.rejects(byHand(world, "host-9", "do"), /The fleet has no host host-9/);
  }),
);

inFullForm(
  "a version that only the balancer's check finds bad gets no traffic either, and the batch goes back",
  options,
  (context) =>
    withBalancer(async (world) => {
      await install(world, ["1.0.0"]);
      await world.publishWeb("2.0.0", { status: { "/lb": 503, "/": 500 } });
      await world.pushWeb("2.0.0");
      const { value, traffic } = await underTraffic(world.balancer, () => world.reconcile());
      assertOutcomes(value, "rolled-back");
      assert.match(value.results[0]?.run?.state.reason ?? "", /^back\.1 failed on host-3/);
      assertNoneLost(context, "bad at the balancer", traffic);
      assert.deepEqual(Object.keys(traffic.versions), ["1.0.0"]);
      assert.deepEqual(await world.servers(), bothUp);
      assert.deepEqual(await versions(world), ["1.0.0", "1.0.0"]);
    }),
);

test(
  "a controller that dies between away and back is followed by one that puts the host back; until then the task list has the open undo (P6)",
  options,
  (context) =>
    withBalancer(async (world) => {
      await install(world, ["1.0.0", "2.0.0"]);
      await world.pushWeb("2.0.0");
      const { value, traffic } = await underTraffic(world.balancer, async () => {
        await assert.rejects(world.reconcile({ wrapJournal: dieWhen(isSwitched) }), controllerGone);
        assert.deepEqual(await world.servers(), { "host-1": "MAINT", "host-2": "UP" });
        assert.deepEqual(await openUndos(world), [
          "host-3/haproxy-pool/pool.host-1",
          "host-3/haproxy-pool/pool.host-2",
        ]);
        return world.reconcile();
      });
      assert.deepEqual(value.resumed.map(({ state }) => state.outcome), ["done"]); // biome-ignore format: one line
      assertNoneLost(context, "a killed controller", traffic);
      assert.deepEqual(await world.servers(), bothUp);
      assert.deepEqual(await versions(world), ["2.0.0", "2.0.0"]);
    }),
);

test(
  "when no controller comes back, the host goes back by itself out of traffic; a later one puts it back (P8)",
  options,
  (context) =>
    withBalancer(
      async (world) => {
        await install(world, ["1.0.0", "2.0.0"]);
        await world.pushWeb("2.0.0");
        const { value, traffic } = await underTraffic(world.balancer, async () => {
          await assert.rejects(world.reconcile({ wrapJournal: dieWhen(isSwitched) }), controllerGone);
          await deadlineComes({ state: world.web[0]?.stateDirectory ?? "" });
          await until("the host to go back by itself", 120_000, async () => (await versions(world))[0] === "1.0.0");
          assert.deepEqual(await world.servers(), { "host-1": "MAINT", "host-2": "UP" });
          return world.reconcile();
        });
        assert.deepEqual(value.resumed.map(({ state }) => state.outcome), ["rolled-back"]); // biome-ignore format: one line
        assertNoneLost(context, "no controller", traffic);
        assert.deepEqual(await world.servers(), bothUp);
        // A missed deadline says nothing against the version (P16): the same pass has brought it again.
        assertOutcomes(value, "rolled-back", "done");
        assert.deepEqual(await versions(world), ["2.0.0", "2.0.0"]);
      },
      { deadlineSeconds: 600 },
    ),
);

async function install(world: BalancedWorld, webVersions: readonly string[]): Promise<void> {
  for (const version of webVersions) await world.publishWeb(version);
  await world.publishBalancer("1.0.0");
  await world.pushWeb("1.0.0", { balancer: "1.0.0" });
  assertOutcomes(await world.reconcile(), "done");
  await bothAreUp(world);
}

function bothAreUp(world: BalancedWorld): Promise<void> {
  return until("HAProxy to find both well", 60_000, async () => {
    return JSON.stringify(await world.servers()) === JSON.stringify(bothUp);
  });
}

function assertNoneLost(context: TestContext, what: string, { asked, failures, versions: answered }: Traffic): void {
  context.diagnostic(`${what}: ${asked} requests, ${failures.length} failed, ${JSON.stringify(answered)}`);
  assert.deepEqual(failures, []);
  assert.ok(asked > 50, `only ${asked} requests`);
}

/** `-HOST` and `+HOST` when it left and came back, and what happened between. */
function storyOf(events: readonly JournalEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.kind !== "task" || event.event.state !== "done") return [];
    const { task, action } = event.event;
    const [host = "", , name = ""] = task.split("/");
    if (name.startsWith("pool.")) return [`${action === "do" ? "-" : "+"}${name.slice("pool.".length)}`];
    return name === "switch" || name === "confirm" ? [`${name} ${host}`] : [];
  });
}

async function versions(world: BalancedWorld): Promise<string[]> {
  return Promise.all(
    world.web.map(async ({ address }) => {
      const response = await fetch(`http://${address}:${webPort}/`).catch(() => undefined);
      return response === undefined ? "none" : (/^plain (\S+) /.exec(await response.text())?.[1] ?? "?");
    }),
  );
}

function isSwitched(event: JournalEvent | { readonly kind: string }): boolean {
  return (
    "event" in event && event.kind === "task" && event.event.task.endsWith("/switch") && event.event.state === "done"
  );
}

/** The first host of the run is back at the balancer, on its new version. */
function isInTraffic(event: JournalEvent | { readonly kind: string }): boolean {
  if (!("event" in event) || event.kind !== "task") return false;
  const { task, action, state } = event.event;
  return task.endsWith("/pool.host-1") && action === "undo" && state === "done";
}

function dieWhen(isMeant: (event: JournalEvent) => boolean) {
  return afterWrite((event) => {
    if (isMeant(event as JournalEvent)) throw controllerGone;
  });
}

async function openUndos(world: BalancedWorld): Promise<string[]> {
  return world.withController(async ({ journal }) => {
    const { tasks } = await readTaskBook(journal, undefined);
    return tasks.flatMap(({ id, action, isOpen }) => (action === "undo" && isOpen ? [id] : []));
  });
}

function byHand(world: BalancedWorld, target: string, action: "do" | "undo") {
  return world.withController((controller) =>
    withLease(controller, { takeOver: false, signal: AbortSignal.timeout(240_000) }, (lease, signal) =>
      runTask(
        {
          ...{
            controller,
            lease,
            signal,
            by: "anna",
            reason: "to look at it",
            action,
            isDryRun: false,
            version: undefined,
          },
          watcher: { onEvent: () => {}, onBytes: () => {} },
        },
        { run: undefined, id: `host-3/haproxy-pool/pool.${target}` },
      ),
    ),
  );
}

function rollBack(
  world: BalancedWorld,
  { inTraffic, ...how }: { readonly inTraffic?: boolean; readonly patienceMs?: number } = {},
): Promise<RollBackResult> {
  return world.withController(
    (controller) =>
      withLease(controller, { takeOver: false, signal: AbortSignal.timeout(240_000) }, (lease, signal) =>
        rollBackRelease({
          ...{ controller, lease, signal, by: "anna", reason: "it looks wrong", inTraffic },
          watcher: { onEvent: () => {}, onBytes: () => {} },
        }),
      ),
    how,
  );
}
