// The driver over hosts in memory: lost links, late answers, and a kill at every journal write.
import assert from "node:assert/strict";
import test from "node:test";
import { CutoverError } from "../../../src/errors.ts";
import type { Plan } from "../../../src/model/plan.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import type { ExecutorPort, JournalPort } from "../../../src/ports.ts";
import { openRuns } from "../../../src/run/replay.ts";
import { memoryJournal, run, runController, sleptClock } from "../../support/engine.ts";
import { type HostScript, type InProcessHosts, inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const world: World = {
  components: {
    app: { hosts: ["h1", "h2", "h3"], dependsOn: ["runtime"], drain: true, backup: true, health: true },
    runtime: { hosts: ["h1", "h2", "h3"] },
  },
  policy: { canaries: 1, batchSize: 2 },
};
const plan = makePlan(planInput(world));
const places = ["h1/app", "h2/app", "h3/app", "h1/runtime", "h2/runtime", "h3/runtime"];

test("a run ends as done when every host switched, confirmed and committed (P10)", async () => {
  const hosts = inProcessHosts();
  const state = await runController({ plan, journal: memoryJournal(), executor: hosts.executor, epoch: 1 });
  assert.equal(state.outcome, "done");
  assert.deepEqual([...hosts.committed.keys()].sort(), [...places].sort());
  assertNothingTwice(hosts);
});

test("everything is journaled before it is done: plan, step, way back (F2)", async () => {
  const journal = memoryJournal();
  const effects: string[] = [];
  const hosts = inProcessHosts({
    fails: ({ id, action }) => (id === "h3/app/health" && action === "do" ? "unhealthy" : undefined),
    onEffect(effect) {
      const [verb, , step = verb === "deliver" ? "distribute" : "confirm.1"] = effect.split(" ");
      effects.push(effect);
      assert.equal(journal.kept[0]?.kind, "run-planned");
      assert.ok(
        journal.kept.some((event) => event.kind === "step-started" && event.step === step),
        effect,
      );
      if (step.startsWith("rollback."))
        assert.ok(journal.kept.some((event) => event.kind === "rollback-started" && event.by === "cutover"));
    },
  });
  const state = await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
  assert.equal(state.outcome, "rolled-back");
  assert.ok(effects.includes("submit h3 rollback.2"));
  const kinds = journal.kept.map(({ kind }) => kind);
  assert.ok(
    kinds.indexOf("quarantined") < kinds.indexOf("rollback-started"),
    "the quarantine cannot be lost by a kill",
  );
});

test("events reach the watcher only once they are in the journal", async () => {
  const journal = memoryJournal();
  const onEvent = (event: { sequence: number }) => assert.ok(journal.kept.length >= event.sequence);
  await runController({ plan, journal, executor: inProcessHosts().executor, epoch: 1, more: { onEvent } });
});

for (const isSpent of [false, true])
  test(`what a host passed over for another controller is handed over again, ${isSpent ? "but not past the failure budget (P9)" : "and the run goes on to its end (P5)"}`, async () => {
    const journal = memoryJournal();
    const hasEnded = () => journal.kept.some((event) => event.kind === "host-ended" && event.step === "switch.2" && event.host === "h3"); // biome-ignore format: one line
    const hosts = inProcessHosts({
      fails: ({ id, action }) => (isSpent && id === "h3/app/health" && action === "do" ? "unhealthy" : undefined),
      async gate(host, step) {
        for (let turn = 0; host === "h2" && step === "switch.2" && !hasEnded(); turn++) {
          assert.ok(turn < 10_000, "h3 ends its part of the step");
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
      tells: (host, step, events) =>
        host === "h2" && step === "switch.2"
          ? events.filter(({ state }) => state === "done").map((event) => ({ ...event, state: "skipped", reason: "stale-epoch" })) // biome-ignore format: one line
          : events,
    });
    const state = await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
    assert.equal(state.outcome, isSpent ? "rolled-back" : "done");
    assert.equal(hosts.ran.some((one) => one.startsWith("h2 r1 switch.2.r1 ")), !isSpent); // biome-ignore format: one line
  });

test("confirm goes over a new connection: kept ones are closed first", async () => {
  const effects: string[] = [];
  const hosts = inProcessHosts({ onEffect: (effect) => effects.push(effect) });
  await runController({ plan, journal: memoryJournal(), executor: hosts.executor, epoch: 1 });
  for (const [step, names] of [
    ["confirm.1", ["h1"]],
    ["confirm.2", ["h2", "h3"]],
  ] as const)
    for (const name of names) {
      const submitted = effects.indexOf(`submit ${name} ${step}`);
      assert.ok(
        effects.lastIndexOf(`close ${name}`, submitted) >
          effects.lastIndexOf(`submit ${name} ${step.replace("confirm", "switch")}`, submitted),
      );
    }
});

test("P8: while one host of a batch takes long, the others are confirmed by themselves, also by a controller that took over", async () => {
  const slow = makePlan(
    planInput({
      components: { app: { hosts: ["h1", "h2", "h3"] } },
      policy: { canaries: 0, batchSize: 3 },
    }),
  );
  const journal = memoryJournal();
  const isConfirmed = (host: string) =>
    journal.kept.some((event) => event.kind === "host-ended" && event.step === "confirm.1" && event.host === host);
  const confirmed = Promise.withResolvers<void>();
  const stop = new AbortController();
  const hosts = inProcessHosts({
    // h2 is not done until the others are confirmed; then this controller dies.
    gate: async (host, step) => {
      if (host === "h2" && step === "switch.1") await confirmed.promise;
    },
  });
  const onEvent = () => {
    if (!isConfirmed("h1") || !isConfirmed("h3") || stop.signal.aborted) return;
    stop.abort();
    confirmed.resolve();
  };
  const killed = runController({ plan: slow, journal, executor: hosts.executor, epoch: 1, more: { onEvent, signal: stop.signal } }); // biome-ignore format: one line
  await assert.rejects(killed);
  const ofSwitch = journal.kept.flatMap((event) =>
    event.kind === "host-ended" && event.step === "switch.1" ? [event.host] : [],
  );
  assert.deepEqual(ofSwitch.sort(), ["h1", "h3"], "the switch is not over on h2");
  const ended = await runController({ plan: slow, journal, executor: hosts.executor, epoch: 2 });
  assert.equal(ended.outcome, "done");
  assertNothingTwice(hosts);
  const started = journal.kept.filter((event) => event.kind === "step-started" && event.step === "confirm.1");
  assert.equal(started.length, 1);
});

test("links lost while handing over, or at any event, change nothing in the end (P6)", async () => {
  for (const moment of ["deliver", "before submit", "after submit", "event"] as const) {
    const losses = new Map<string, number>();
    const hosts = inProcessHosts({
      loses(host, at, step) {
        const key = `${host} ${step}`;
        const lost = losses.get(key) ?? 0;
        if (at !== moment || lost >= 3) return false;
        losses.set(key, lost + 1);
        return true;
      },
    });
    const journal = memoryJournal();
    const state = await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
    assert.equal(state.outcome, "done", moment);
    assert.ok(losses.size > 0);
    assertNothingTwice(hosts);
    const told = journal.kept.flatMap((event) =>
      event.kind === "task" && event.step !== "distribute"
        ? [`${event.step} ${event.event.task} ${event.event.action} ${event.event.state}`]
        : [],
    );
    assert.equal(new Set(told).size, told.length, "no event is journaled twice");
  }
});

test("a host that answers only after the patience leaves the run open, and a second drive finishes it (P7)", async () => {
  for (const step of ["switch.1", "switch.2", "confirm.2", "commit"]) {
    const journal = memoryJournal();
    const away = step === "switch.1" ? "h1" : "h2";
    const hosts = inProcessHosts({
      loses: (host, moment, at) => host === away && at === step && moment !== "after submit",
    });
    const waiting = await runController({ plan, journal, executor: hosts.executor, epoch: 1 });
    assert.equal(waiting.outcome, undefined, step);
    assert.equal(waiting.hosts.get(`${step}/${away}`), "unknown");
    assert.deepEqual(await openRuns(journal), [run]);
    const later = plan.steps.slice(plan.steps.findIndex(({ id }) => id === step) + 1).map(({ id }) => id);
    assert.deepEqual(
      [...waiting.startedSteps].filter((id) => later.includes(id)),
      [],
      "nothing more starts (P9)",
    );
    hosts.script = {};
    const ended = await runController({ plan, journal, executor: hosts.executor, epoch: 2 });
    assert.equal(ended.outcome, "done", step);
    assert.deepEqual(await openRuns(journal), []);
    assertNothingTwice(hosts);
  }
});

test("a controller that was replaced switches nothing: hosts refuse its epoch (P5)", async () => {
  const hosts = inProcessHosts();
  await runController({ plan, journal: memoryJournal(), executor: hosts.executor, epoch: 2 });
  const ranBefore = hosts.ran.length;
  const journal = memoryJournal();
  const stale = runController({ plan, journal, executor: hosts.executor, epoch: 1 });
  await assert.rejects(stale, { code: "lease-lost" });
  assert.equal((await openRuns(journal)).length, 1, "the run is not over, only not its own any more");
  assert.equal(hosts.ran.length, ranBefore);
});

test("an artifact repository that does not answer leaves the run open, and the next pass goes on (P7)", async () => {
  const hosts = inProcessHosts();
  const journal = memoryJournal();
  const silent = new CutoverError({ code: "artifacts-unreachable", message: "no answer", disposition: "retry" });
  const more = { deliveryFor: () => Promise.reject(silent) };
  const waiting = await runController({ plan, journal, executor: hosts.executor, epoch: 1, more });
  assert.equal(waiting.outcome, undefined);
  assert.deepEqual(hosts.ran, []);
  const ended = await runController({ plan, journal, executor: hosts.executor, epoch: 2 });
  assert.equal(ended.outcome, "done");
});

const endings: readonly {
  name: string;
  script: HostScript;
  policy: Plan["rollbackPolicy"];
  outcome: string;
  left: string[];
}[] = [
  { name: "a healthy release", script: {}, policy: "auto", outcome: "done", left: places },
  {
    name: "an unhealthy second batch, undone by itself",
    script: { fails: ({ id, action }) => (id === "h3/app/health" && action === "do" ? "unhealthy" : undefined) },
    policy: "auto",
    outcome: "rolled-back",
    left: ["h1/app", "h1/runtime"],
  },
  {
    name: "a missed deadline, the whole release undone",
    script: { fails: ({ id }) => (id === "h2/app/confirm" ? "deadline-passed" : undefined) },
    policy: "release",
    outcome: "rolled-back",
    left: [],
  },
];

for (const { name, script, policy, outcome, left } of endings) {
  test(`killed before or after any journal write, the next controller ends the run the same way, and nothing runs twice: ${name} (P6)`, async () => {
    const made = makePlan(planInput({ ...world, rollbackPolicy: policy }));
    for (const moment of ["before", "after"] as const) {
      for (let write = 2; ; write++) {
        const journal = memoryJournal();
        const hosts = inProcessHosts(script);
        const killed = await runUntilKilled({ plan: made, journal, hosts, moment, write });
        const state = await runController({ plan: made, journal, executor: hosts.executor, epoch: 2 });
        assert.equal(state.outcome, outcome, `${moment} write ${write}`);
        assert.deepEqual([...hosts.versions.keys()].sort(), [...left].sort(), `${moment} write ${write}`);
        assertNothingTwice(hosts);
        if (!killed) break;
        assert.ok(write < 500, "every run has an end");
      }
    }
  });
}

test("killed again and again, one write further each time, a run still converges (P6)", async () => {
  const journal = memoryJournal();
  const hosts = inProcessHosts();
  let epoch = 0;
  for (let killed = true; killed; ) {
    epoch += 1;
    assert.ok(epoch < 500);
    killed = await runUntilKilled({ plan, journal, hosts, moment: "after", write: epoch + 1, epoch });
  }
  assert.deepEqual([...hosts.committed.keys()].sort(), [...places].sort());
  assertNothingTwice(hosts);
});

test("an aborted driver writes nothing after it has rejected, so that the next one finds the journal its own", async () => {
  const journal = memoryJournal();
  const gate = Promise.withResolvers<void>();
  const listening = Promise.withResolvers<void>();
  const hosts = inProcessHosts({
    gate() {
      listening.resolve();
      return gate.promise;
    },
  });
  const abort = new AbortController();
  const driven = runController({ plan, journal, executor: hosts.executor, epoch: 1, more: { signal: abort.signal } });
  await listening.promise;
  abort.abort(new Error("lease lost"));
  await assert.rejects(driven, /lease lost/);
  const kept = journal.kept.length;
  gate.resolve();
  hosts.script = {};
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(journal.kept.length, kept);
  assert.equal((await runController({ plan, journal, executor: hosts.executor, epoch: 2 })).outcome, "done");
});

test("within a batch too, no further host switches once failures are past the budget (P9)", async () => {
  for (const failureBudget of [0, 1]) {
    const together = makePlan(planInput({ ...world, policy: { canaries: 0, batchSize: "100%", failureBudget } }));
    const hosts = inProcessHosts({
      fails: ({ kind, action }) => (kind === "health" && action === "do" ? "unhealthy" : undefined),
    });
    const journal = memoryJournal();
    const one = { plan: together, journal, executor: hosts.executor, epoch: 1, more: { concurrency: 1 } };
    assert.equal((await runController(one)).outcome, "rolled-back");
    const switched = hosts.ran.filter((entry) => /app\/switch do$/.test(entry)).map((entry) => entry.split(" ")[0]);
    assert.deepEqual(switched, ["h1", "h2", "h3"].slice(0, failureBudget + 1));
    assert.deepEqual([...hosts.versions.keys()], []);
  }
});

test("a host that cannot be reached while its batch fails does not switch when it answers again (P9)", async () => {
  const together = makePlan(planInput({ ...world, policy: { canaries: 0, batchSize: "100%", failureBudget: 0 } }));
  for (const moment of ["before submit", "after submit"] as const) {
    const journal = memoryJournal();
    const hasFailed = () => journal.kept.some((event) => event.kind === "host-ended" && event.outcome === "failed");
    const hosts = inProcessHosts({
      fails: ({ host, kind, action }) =>
        host === "h1" && kind === "health" && action === "do" ? "unhealthy" : undefined,
      loses: (host, at, step) => host === "h2" && step === "switch.1" && at === moment && !hasFailed(),
    });
    const clock = { now: () => 0, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };
    const ended = await runController({ plan: together, journal, executor: hosts.executor, epoch: 1, clock });
    assert.equal(ended.outcome, "rolled-back");
    const switched = hosts.ran.filter((entry) => /^h2 .*app\/switch do$/.test(entry)).length;
    assert.equal(switched, moment === "before submit" ? 0 : 1, moment);
    assert.deepEqual([...hosts.versions.keys()], [], "what took the switch before the budget was spent is taken back");
    assertNothingTwice(hosts);
  }
});

test("an unknown host stops the rest of its batch, which goes on once it has answered (P7, P9)", async () => {
  const together = makePlan(planInput({ ...world, policy: { canaries: 0, batchSize: "100%" } }));
  const hosts = inProcessHosts({ loses: (host, _moment, step) => host === "h1" && step === "switch.1" });
  const journal = memoryJournal();
  const one = { plan: together, journal, executor: hosts.executor, epoch: 1, more: { concurrency: 1 } };
  const waiting = await runController(one);
  assert.equal(waiting.outcome, undefined);
  assert.deepEqual([...hosts.versions.keys()], []);
  hosts.script = {};
  assert.equal((await runController({ ...one, epoch: 2 })).outcome, "done");
  assertNothingTwice(hosts);
});

test("the soak is waited for between confirm and the next batch", async () => {
  const soaked = makePlan(planInput({ ...world, policy: { ...world.policy, soakSeconds: 60 } }));
  const clock = sleptClock();
  const journal = memoryJournal();
  await runController({ plan: soaked, journal, executor: inProcessHosts().executor, epoch: 1, clock });
  const at = (kind: "step-started" | "step-ended", step: string) =>
    journal.kept.find((event) => event.kind === kind && event.step === step)?.at ?? 0;
  assert.ok(at("step-started", "switch.2") - at("step-started", "confirm.1") >= 60_000);
  assert.equal(at("step-ended", "switch.1"), at("step-started", "switch.1"));
});

/** One controller process that dies at its `write`th journal write. False when it came to its end before. */
async function runUntilKilled({
  plan,
  journal,
  hosts,
  moment,
  write,
  epoch = 1,
}: {
  plan: Plan;
  journal: JournalPort;
  hosts: InProcessHosts;
  moment: "before" | "after";
  write: number;
  epoch?: number;
}): Promise<boolean> {
  let writes = 0;
  const alive = () => {
    if (writes >= write) throw new Error("killed");
  };
  const dying: JournalPort = {
    ...journal,
    async append(events) {
      alive();
      if (events.length > 0) writes += 1;
      if (writes >= write && moment === "before") throw new Error("killed");
      await journal.append(events);
      alive();
    },
  };
  try {
    await runController({ plan, journal: dying, executor: whileAlive(hosts.executor, alive), epoch });
    return false;
  } catch (error) {
    assert.equal(error instanceof Error && error.message, "killed");
    return true;
  }
}

/** A dead process touches no host any more. */
function whileAlive(executor: ExecutorPort, alive: () => void): ExecutorPort {
  return {
    ...executor,
    async deliver(...input) {
      alive();
      await executor.deliver(...input);
    },
    async submit(...input) {
      alive();
      await executor.submit(...input);
    },
    async *events(...input) {
      for await (const event of executor.events(...input)) {
        alive();
        yield event;
      }
    },
  };
}

function assertNothingTwice({ ran }: InProcessHosts): void {
  assert.deepEqual(
    ran.filter((entry, index) => ran.indexOf(entry) !== index),
    [],
  );
}
