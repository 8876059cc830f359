// One host, one step: what counts as done, failed and unknown, and how long a lost host is asked again.
import assert from "node:assert/strict";
import test from "node:test";
import { HostRefusedError } from "../../../src/errors.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { TaskEvent } from "../../../src/model/task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { type HostStepContext, runHostStep, type Silence } from "../../../src/run/run-host-step.ts";
import { sleptClock } from "../../support/engine.ts";
import { type HostScript, inProcessHosts } from "../../support/in-process-hosts.ts";
import { fleetOf, planInput } from "../../support/plan-input.ts";

const plan = makePlan(planInput({ components: { app: { hosts: ["h1"], drain: true, health: true } } }));

interface SwitchOptions {
  readonly onSilent?: (silence: Silence) => void;
  readonly mayBegin?: HostStepContext["mayBegin"];
}

async function switchHost(
  script: HostScript,
  patienceMs = 10_000,
  { onSilent = () => {}, mayBegin = () => true }: SwitchOptions = {},
) {
  const hosts = inProcessHosts(script);
  const clock = sleptClock();
  const recorded: EventBody[] = [];
  const step = plan.steps.find(({ kind }) => kind === "switch");
  const work = step?.work[0];
  const [host] = fleetOf(["h1"]);
  assert.ok(step && work && host);
  const outcome = await runHostStep(
    {
      executor: hosts.executor,
      clock,
      fence: { run: "r1", epoch: 1, holder: "c" },
      deliveryFor: () => Promise.reject(new Error("a switch moves no data")),
      patchOf: () => undefined,
      turnOf() {
        const turn = recorded.findLast((event) => event.kind === "host-reopened");
        return turn && { number: turn.turn, tasks: turn.tasks, rest: turn.rest, isBegun: false };
      },
      mayBegin,
      silent: new Set(),
      record: async (...events) => recorded.push(...events),
      onBytes: () => undefined,
      onSilent,
      patienceMs,
      signal: new AbortController().signal,
    },
    step,
    work,
    host,
  );
  const last = recorded.at(-1);
  assert.equal(last?.kind, "host-ended");
  return { outcome, recorded, hosts, waitedMs: clock.now() - 1_000, evidence: last.evidence };
}

test("done needs every task read back as done (P10)", async () => {
  assert.equal((await switchHost({})).outcome, "done");
  const silent = await switchHost({ tells: () => [] });
  assert.equal(silent.outcome, "failed");
  assert.match(silent.evidence, /no result for .*h1\/app\/switch/);
});

/** The host has drained the service, and passed over the rest: another controller had come, with another run. */
const passedOver = (events: TaskEvent[]): TaskEvent[] =>
  events
    .filter(({ task, action, state }) => (task.endsWith("/drain") && action === "do") || state === "done")
    .map((event): TaskEvent => (event.task.endsWith("/drain") && event.action === "do" ? event : { ...event, state: "skipped", reason: "stale-epoch" })); // biome-ignore format: one line
const passesOver = (...steps: string[]): HostScript => ({
  tells: (_host, step, events) => (steps.includes(step) ? passedOver(events) : events),
});
const reopenedIn = (recorded: readonly EventBody[]) =>
  recorded.flatMap((event) => (event.kind === "host-reopened" ? [`${event.turn}: ${event.tasks.join(", ")}`] : []));

test("what a host passed over while another run of its new writer came first is handed over again, and nothing that it began (P5, P6)", async () => {
  const { outcome, recorded, hosts } = await switchHost(passesOver("switch.1"));
  assert.equal(outcome, "done");
  const left = ["h1/app/switch do", "h1/app/health do", "h1/app/drain undo"];
  assert.deepEqual(reopenedIn(recorded), [`1: ${left.join(", ")}`]);
  const again = hosts.ran.filter((one) => one.startsWith("h1 r1 switch.1.r1 "));
  assert.deepEqual(again, left.map((key) => `h1 r1 switch.1.r1 ${key}`)); // biome-ignore format: one line
});

test("a host that passes over a step twice has not done it (P10)", async () => {
  const { outcome, evidence, recorded } = await switchHost(passesOver("switch.1", "switch.1.r1"));
  assert.equal(outcome, "failed");
  assert.match(evidence, /stale-epoch/);
  assert.equal(reopenedIn(recorded).length, 1);
});

test("a writer whose own epoch is over has nothing begun by handing over again what the host passed over (P5, F18)", async () => {
  const hosts: string[] = [];
  const stale = switchHost({
    ...passesOver("switch.1"),
    onEffect(effect) {
      hosts.push(effect);
      if (effect === "submit h1 switch.1.r1")
        throw new HostRefusedError({ host: "h1", verb: "submit", hostCode: 75, reason: "stale-epoch", evidence: "epoch 2" }); // biome-ignore format: one line
    },
  });
  await assert.rejects(stale, { code: "lease-lost" });
  assert.deepEqual(hosts, ["submit h1 switch.1", "submit h1 switch.1.r1"]);
});

test("what a host passed over stays so past the failure budget (P9), or where it is silent about a task (P7)", async () => {
  const spent = await switchHost(passesOver("switch.1"), 10_000, {
    mayBegin: (_step, _host, isAnew) => isAnew !== true,
  });
  const short = await switchHost({ tells: (_host, _step, events) => passedOver(events).slice(0, -1) });
  for (const { outcome, recorded } of [spent, short]) {
    assert.equal(outcome, "failed");
    assert.deepEqual(reopenedIn(recorded), []);
  }
});

for (const moment of ["before submit", "after submit"] as const)
  test(`what a host passed over, and is to have again, ${moment === "before submit" ? "does not begin once others have spent the failure budget" : "and has by then, is read back"} (P9)`, async () => {
    let isSpent = false;
    const loses: HostScript["loses"] = (_host, at, step) => {
      if (isSpent || at !== moment || step !== "switch.1.r1") return false;
      isSpent = true;
      return true;
    };
    const mayBegin: HostStepContext["mayBegin"] = (_step, _host, isAnew) => isAnew !== true || !isSpent;
    const { outcome, evidence, recorded, hosts } = await switchHost({ ...passesOver("switch.1"), loses }, 10_000, { mayBegin }); // biome-ignore format: one line
    const isBegun = moment === "after submit";
    assert.equal(hosts.ran.some((one) => one.includes(" switch.1.r1 ")), isBegun); // biome-ignore format: one line
    assert.equal(outcome, isBegun ? "done" : "failed");
    assert.match(evidence, isBegun ? /^$/ : /stale-epoch/);
    assert.equal(reopenedIn(recorded).length, 1);
  });

test("the failed task is named, not the ones skipped after it", async () => {
  const { outcome, evidence } = await switchHost({
    fails: ({ kind }) => (kind === "switch" ? "not-ready" : undefined),
  });
  assert.equal(outcome, "failed");
  assert.match(evidence, /^h1\/app\/switch do: not-ready/);
});

test("a host that reports on another host's task is failed, and its word is not journaled (P13)", async () => {
  const { outcome, evidence, recorded } = await switchHost({
    tells: (_host, _step, events) => events.map((event) => ({ ...event, task: "h2/app/switch" })),
  });
  assert.equal(outcome, "failed");
  assert.match(evidence, /h2\/app\/switch/);
  assert.ok(!recorded.some(({ kind }) => kind === "task"));
});

test("a host that stays silent is unknown once the patience is over, and no sooner (P7)", async () => {
  const { outcome, waitedMs, hosts } = await switchHost({ loses: () => true }, 30_000);
  assert.equal(outcome, "unknown");
  assert.ok(waitedMs > 20_000 && waitedMs <= 30_000, `${waitedMs} ms`);
  assert.deepEqual(hosts.ran, []);
});

test("the patience counts from a loss and starts afresh with anything new: a long step survives many short losses", async () => {
  let attempts = 0;
  let links = 0;
  let told = 0;
  const { outcome, waitedMs, recorded } = await switchHost(
    {
      // Every third attempt gets through, and hears one event more than the one before.
      loses(_host, moment) {
        if (moment === "before submit") return ++attempts % 3 !== 0;
        if (moment === "event") return ++told > links;
        links += 1;
        told = 0;
        return false;
      },
    },
    4_000,
  );
  assert.equal(outcome, "done");
  assert.ok(waitedMs > 4_000, "longer in all than one patience");
  const events = recorded.flatMap((event) => (event.kind === "task" ? [event.event] : []));
  assert.equal(events.length, 8, "each event is recorded once, however often it is told");
});

test("a refusal is a failure at once, with the host's own word (P5)", async () => {
  const { outcome, evidence, waitedMs } = await switchHost({
    tells() {
      throw new HostRefusedError({
        host: "h1",
        verb: "events",
        hostCode: 66,
        reason: "step-lost",
        evidence: "no result",
      });
    },
  });
  assert.equal(outcome, "failed");
  assert.equal(evidence, "h1 refused events: step-lost: no result");
  assert.equal(waitedMs, 0);
});

test("a host that obeys a higher epoch ends the driver, not the run: the lease is lost (P5, F18)", async () => {
  const fenced = switchHost({
    tells() {
      throw new HostRefusedError({
        host: "h1",
        verb: "fence",
        hostCode: 75,
        reason: "stale-epoch",
        evidence: "epoch 2 is held by other",
      });
    },
  });
  await assert.rejects(fenced, { code: "lease-lost", evidence: /epoch 2 is held by other/ });
});

test("a host that is busy for now is asked again (P7)", async () => {
  let busy = 3;
  const { outcome, waitedMs } = await switchHost({
    tells(_host, _step, events) {
      if (busy-- > 0)
        throw new HostRefusedError({ host: "h1", verb: "events", hostCode: 75, reason: "busy", evidence: "" });
      return events;
    },
  });
  assert.equal(outcome, "done");
  assert.ok(waitedMs > 0);
});

test("a bug in the engine is not taken for a host's failure", async () => {
  const broken = switchHost({
    tells() {
      throw new TypeError("not the host");
    },
  });
  await assert.rejects(broken, TypeError);
});

test("who watches hears once whom a step waits for and until when; a loss that is over at once needs no word", async () => {
  const told: Silence[] = [];
  const { waitedMs } = await switchHost({ loses: () => true }, 30_000, { onSilent: (silence) => told.push(silence) });
  assert.deepEqual(told.map(({ step, host, until }) => [step, host, until]), [["switch.1", "h1", 31_000]]); // biome-ignore format: one line
  assert.ok(waitedMs <= 30_000);
  let losses = 0;
  await switchHost({ loses: () => ++losses === 1 }, 30_000, { onSilent: (silence) => told.push(silence) });
  assert.equal(told.length, 1);
});
