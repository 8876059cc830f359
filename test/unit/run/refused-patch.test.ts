// A host that refuses a patch gets the full artifact in the same step, whatever happens to the controller meanwhile (P6).
import assert from "node:assert/strict";
import { test } from "node:test";
import { HostRefusedError } from "../../../src/errors.ts";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import type { Task } from "../../../src/model/task.ts";
import type { Delivery } from "../../../src/model/transfer.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import type { EarlierDelivery } from "../../../src/run/deliver-task.ts";
import { memoryJournal, runController } from "../../support/engine.ts";
import { type HostScript, inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput, treeOf } from "../../support/plan-input.ts";

const plan = makePlan(planInput({ components: { app: { hosts: ["h1", "h2"] }, db: { hosts: ["h1"] } } }));

/** h1 has a damaged base of `app`; everybody is sent patches unless they refused one. */
function world(script: Partial<HostScript> = {}, damaged = "base-damaged") {
  const journal = memoryJournal();
  const asked: string[] = [];
  const built = new Set<string>();
  const hosts = inProcessHosts({
    // A build from the full artifact is good, one from the patch is not.
    fails: (task) => (isDamaged(task) && !built.has("full") ? damaged : undefined),
    ...script,
  });
  const deliveryFor = async ({ component, version }: Task, host: { name: string }, earlier: EarlierDelivery) => {
    const { refused, spoiled } = earlier;
    asked.push(`${host.name} ${component} ${refused ?? "patch"}${spoiled ? " anew" : ""}`);
    if (refused !== undefined) built.add("full");
    return delivery({ component, version, base: refused === undefined });
  };
  const control = (epoch: number) =>
    runController({ plan, journal, executor: hosts.executor, epoch, more: { deliveryFor } });
  return { journal, asked, hosts, control };
}

const digestMismatch = new HostRefusedError({
  ...{ host: "h2", verb: "put", hostCode: 65, reason: "digest-mismatch", evidence: "10 bytes came" },
});

const isDamaged = ({ id, kind }: Task) => kind === "build" && id === "h1/app/build";

function delivery({ component, version, base }: { component: string; version: string; base: boolean }): Delivery {
  const release = { component, version, metadata: "", signatures: "", manifest: "" };
  const file = { path: "/dev/null", digest: "sha256:0", bytes: base ? 10 : 100, outputBytes: 100 };
  const payload = base ? { ...file, codec: "patch" as const, base: treeOf(component, "1") } : { ...file, codec: "none" as const }; // biome-ignore format: one line
  return { component, version, release, envelope: "", envelopeSignature: "", payload };
}

const refusals = (events: readonly JournalEvent[]) =>
  events.flatMap((event) => (event.kind === "patch-refused" ? [event] : []));
const deliveries = (events: readonly JournalEvent[]) =>
  events.flatMap((event) =>
    event.kind === "delivered" ? [`${event.host} ${event.component} ${event.base ? "patch" : "full"}`] : [],
  );

test("a refused patch is followed by the full artifact under a step of its own; the record says who refused it and why", async () => {
  const { journal, hosts, control } = world();
  const state = await control(1);
  assert.equal(state.outcome, "done");
  assert.deepEqual(deliveries(journal.kept).sort(), ["h1 app full", "h1 app patch", "h1 db patch", "h2 app patch"]);
  const [refusal, ...others] = refusals(journal.kept);
  assert.deepEqual(
    [refusal?.host, refusal?.component, refusal?.reason, others.length],
    ["h1", "app", "base-damaged", 0],
  );
  const builds = hosts.ran.filter((entry) => entry.endsWith("app/build do"));
  assert.deepEqual(builds.sort(), [
    "h1 r1 distribute h1/app/build do",
    "h1 r1 distribute.full h1/app/build do",
    "h2 r1 distribute h2/app/build do",
  ]);
  const failed = journal.kept.some((event) => event.kind === "task" && event.event.state === "failed");
  assert.ok(!failed, "no verdict on the version");
});

test("only the words for a useless patch are answered so, and only once", async () => {
  const other = world({}, "disk-full");
  assert.equal((await other.control(1)).outcome, "stuck");
  assert.deepEqual(refusals(other.journal.kept), []);
  const again = world({ fails: (task) => (isDamaged(task) ? "verify-failed" : undefined) });
  const state = await again.control(1);
  assert.equal(state.outcome, "stuck");
  assert.equal(refusals(again.journal.kept).length, 1);
  assert.equal(deliveries(again.journal.kept).filter((entry) => entry === "h1 app full").length, 1);
});

test("a patch that is refused before any of it is sent is followed by the full artifact as well", async () => {
  const { journal, asked, hosts, control } = world({ fails: () => undefined });
  const { executor } = hosts;
  const { deliver } = executor;
  executor.deliver = async (host, delivery, fence, onBytes) => {
    if (host.name === "h2" && delivery.payload.base)
      throw new HostRefusedError({
        host: "h2",
        verb: "offer",
        hostCode: 69,
        reason: "no-codec",
        evidence: "no bspatch",
      });
    return deliver(host, delivery, fence, onBytes);
  };
  const state = await control(1);
  assert.equal(state.outcome, "done");
  assert.deepEqual(
    refusals(journal.kept).map(({ host, reason, evidence }) => [host, reason, evidence]),
    [["h2", "no-codec", "no bspatch"]],
  );
  assert.ok(asked.includes("h2 app no-codec"));
  assert.ok(!hosts.ran.some((entry) => entry.includes("distribute.full")), "nothing was built from it");
});

test("bytes that were spoiled on this machine are made anew and sent once more, in the same step; twice is a failure (F21)", async () => {
  for (const [times, outcome] of [
    [1, "done"],
    [2, "stuck"],
  ] as const) {
    const { asked, hosts, control } = world({ fails: () => undefined });
    const { deliver } = hosts.executor;
    let spoiled = 0;
    hosts.executor.deliver = async (host, delivery, fence, onBytes) => {
      if (host.name === "h2" && ++spoiled <= times) throw digestMismatch;
      return deliver(host, delivery, fence, onBytes);
    };
    assert.equal((await control(1)).outcome, outcome);
    assert.deepEqual(
      asked.filter((each) => each.startsWith("h2")),
      ["h2 app patch", "h2 app patch anew"],
    );
  }
});

test("a controller that is killed at any effect takes up with the full artifact (P6)", async () => {
  const effects: string[] = [];
  await world({ onEffect: (effect) => void effects.push(effect) }).control(1);
  for (let kill = 1; kill <= effects.length; kill++) {
    let count = 0;
    const { journal, hosts, control } = world({
      onEffect() {
        if (++count === kill) throw new TypeError("killed");
      },
    });
    await assert.rejects(control(1), TypeError);
    hosts.script = { fails: hosts.script.fails ?? (() => undefined) };
    const state = await control(2);
    assert.equal(state.outcome, "done", `killed before ${effects[kill - 1]}`);
    assert.ok(refusals(journal.kept).length <= 1);
    const full = hosts.ran.filter((entry) => entry.includes("distribute.full h1/app/build"));
    assert.ok(full.length <= 1, full.join("\n"));
  }
});

test("a controller that is killed before or after any write of its journal takes up with the full artifact, and says once who refused (P6, F1)", async () => {
  const counted = world();
  await counted.control(1);
  for (let write = 1; write <= counted.journal.kept.length; write++) {
    for (const moment of ["before", "after"]) {
      const { journal, hosts, control } = world();
      const { append } = journal;
      let count = 0;
      journal.append = async (events) => {
        const dies = count < write && count + events.length >= write;
        count += events.length;
        if (dies && moment === "before") throw new TypeError("killed");
        await append(events);
        if (dies) throw new TypeError("killed");
      };
      await assert.rejects(control(1), TypeError);
      journal.append = append;
      const place = `killed ${moment} write ${write}`;
      assert.equal((await control(2)).outcome, "done", place);
      assert.equal(refusals(journal.kept).length, 1, place);
      assert.equal(hosts.ran.filter((entry) => entry.includes("distribute.full h1/app/build")).length, 1, place);
    }
  }
});
