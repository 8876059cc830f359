// R18: a real RabbitMQ consumer through switches forward and taken back, under load: no job is lost, each has its effect once,
// what is given back comes again, and what the worker has in memory goes from process to process.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { freePort } from "../../../src/lab/free-port.ts";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import { assertOutcomes } from "../../support/assert-outcome.ts";
import { isFull } from "../../support/full-form.ts";
import { withPartsHost } from "../../support/host-parts.ts";
import {
  bookedJobs,
  buildWorkerTree,
  publishJobs,
  type WorkerPlace,
  workerBundle,
  workerContract,
  workerTotals,
} from "../../support/python-worker.ts";
import { skipReason } from "../../support/skip-reason.ts";
import { until } from "../../support/until.ts";
import { type Home, withHome } from "../../support/with-home.ts";
import { withLoopbackLab } from "../../support/with-lab.ts";
import { type RabbitMq, withRabbitMq } from "../../support/with-rabbitmq.ts";
import { enrolment, retire } from "../../support/with-world.ts";

const skip = skipReason({ programs: ["sshd", "ssh-keygen", "flock", "python3"], debian12: true });
const allDoneWithinMs = 120_000;

test("R18: a queue consumer is switched under load", { skip }, (t) =>
  withRabbitMq(async (broker) => {
    await t.test("forward and taken back: no job lost, none with two effects, memory handed on", () =>
      throughSwitches(broker),
    );
    // At a push, killed hand-overs of drain and switch are those of test/host.
    if (!isFull) return;
    await t.test("P6: hand-overs that are killed half way and called again lose neither jobs nor memory", () =>
      throughKilledHandOvers(broker),
    );
  }),
);

async function throughSwitches(broker: RabbitMq): Promise<void> {
  await withLoopbackLab(1, async (lab) => {
    const [host] = lab.hosts;
    assert.ok(host);
    const state = join(host.stateDirectory, "worker");
    const place: WorkerPlace = { broker, statusPort: await freePort(["127.0.0.1"]), state };
    const contract = await workerContract(place);
    const end = async () => {
      const pid = await readFile(join(host.stateDirectory, "components/python-worker/pid"), "utf8").catch(() => "");
      if (pid !== "") process.kill(Number(pid), "SIGKILL");
      await retire(host);
    };
    await withHome(lab, { contracts: [contract], enrolment, retire: end }, async (home) => {
      const sick = { ...contract, health: [{ kind: "tcp", port: 1, withinSeconds: 1 }] };
      for (const version of ["1.0.0", "2.0.0", "2.0.1-sick"]) {
        const tree = join(home.directory, "trees", version);
        await buildWorkerTree(tree, version, broker);
        await home.publish(version === "2.0.1-sick" ? sick : contract, version, tree, workerBundle);
      }
      await release(home, "1.0.0", "done");

      // Four threads do at most 40 a second, and some always wait in the queue: some are given back at every switch.
      const first = publishJobs(broker, { prefix: "a", burst: 200, perSecond: 20, ms: 100, waiting: 50 });
      await first.burst;
      // A release of the older version while the worker lives is in the row python-worker-restart, at every push.
      for (const [version, outcome] of [
        ["2.0.0", "done"],
        ["2.0.1-sick", "rolled-back"],
      ] as const) {
        const before = await workerTotals(place.statusPort);
        const events = await release(home, version, outcome);
        assert.match(saidBy(events, "drain"), /in-flight=0 cut=0 waited-ms=\d+ until=deadline/, version);
        assert.match(saidBy(events, "save-memory"), /saved/, version);
        assert.ok(((await workerTotals(place.statusPort))?.done ?? 0) >= (before?.done ?? 0), "memory came along");
      }
      const sent = await first.stop();
      await allDone(place, sent);
      assert.deepEqual(await bookedJobs(state), { rows: sent, jobs: sent, versions: ["1.0.0", "2.0.0"] });
      const totals = await workerTotals(place.statusPort);
      assert.ok(totals);
      assert.deepEqual([totals.done, totals.repeated], [sent, 0], "counted in memory over four processes");
      assert.ok(totals.requeued > 0, "under load a worker gives back what it has not begun");
      assert.ok(totals.redelivered >= totals.requeued, "and it came again");

      // A worker that is killed loses its memory, and no job.
      const second = publishJobs(broker, { prefix: "b", burst: 40, perSecond: 20, ms: 100 });
      await second.burst;
      await until("work", 20_000, async () => ((await workerTotals(place.statusPort))?.inFlight ?? 0) > 2);
      const pid = Number(await readFile(join(host.stateDirectory, "components/python-worker/pid"), "utf8"));
      process.kill(pid, "SIGKILL");
      const events = await release(home, "1.0.0", "done");
      assert.match(saidBy(events, "drain"), /in-flight=0 cut=0 .*nothing runs/);
      const more = await second.stop();
      await allDone(place, sent + more);
      assert.deepEqual(await bookedJobs(state), { rows: sent + more, jobs: sent + more, versions: ["1.0.0", "2.0.0"] });
      assert.ok(((await workerTotals(place.statusPort))?.redelivered ?? 0) > 0, "what it had came again");
    });
  });
}

async function throughKilledHandOvers(broker: RabbitMq): Promise<void> {
  await withPartsHost(["dash"], async (host) => {
    const state = join(host.base, "worker");
    const place: WorkerPlace = { broker, statusPort: host.port, state };
    const { env } = await workerContract(place);
    const notReady = join(host.base, "web/not-ready");
    const contract = {
      ...{ manager: "process", "switch.strategy": "restart", "switch.start": "start", "switch.stop-seconds": "60" },
      ...Object.fromEntries(Object.entries(env as Record<string, string>).map(([name, value], at) => [`env.${at}`, `${name}=${value}`])), // biome-ignore format: one line
      ...{ "drain.not-ready-file": notReady, "drain.seconds": "60", "drain.inflight.metric": "jobs_in_flight" },
      "drain.inflight.url": `http://127.0.0.1:${host.port}/metrics`,
      "task.save-memory.do": "save-memory",
    };
    const bundle = { "save-memory": await readFile(join(workerBundle, "save-memory"), "utf8") };
    for (const version of ["v1", "v2"]) {
      await host.install(version, { contract, bundle });
      await buildWorkerTree(join(host.base, "web/versions", version), version, broker);
    }
    await host.task("switch", "do", { version: "v1", run: "r0", session: "a" });
    for (const kind of ["confirm", "commit"]) await host.task(kind, "do", { version: "v1", run: "r0", session: "b" });
    const jobs = publishJobs(broker, { prefix: "c", burst: 100, perSecond: 40, ms: 50 });
    await jobs.burst;
    /** Killed after so long, then called again until it is done, as a controller would. */
    const insist = async (killAfterMs: number, ...call: Parameters<typeof host.task>): Promise<void> => {
      const killed = host.start(...call);
      await new Promise((done) => setTimeout(done, killAfterMs));
      killed.child.kill("SIGKILL");
      await killed.result;
      const again = await host.task(...call);
      assert.equal(again.exitCode, 0, `${call[0]} ${call[1]}: ${again.reason} ${again.evidence}`);
    };
    for (const [round, killAfterMs] of [30, 120, 300, 700].entries()) {
      const call = { version: "v2", run: `k${round}`, session: "a" };
      await insist(killAfterMs, "drain", "do", call);
      await insist(killAfterMs, "hook", "do", { ...call, options: { name: "save-memory" } });
      await insist(killAfterMs, "switch", "do", call);
      await insist(killAfterMs, "drain", "undo", call);
      await insist(killAfterMs, "switch", "undo", call);
      assert.equal(await host.current(), "v1");
    }
    const sent = await jobs.stop();
    await allDone(place, sent);
    const { rows, jobs: different } = await bookedJobs(state);
    assert.deepEqual([rows, different], [sent, sent]);
    const totals = await workerTotals(host.port);
    assert.deepEqual([totals?.done, totals?.repeated], [sent, 0], "counted in memory over nine processes");
  });
}

async function release(home: Home, version: string, outcome: "done" | "rolled-back"): Promise<JournalEvent[]> {
  const events: JournalEvent[] = [];
  await home.pushVersion("python-worker", version);
  assertOutcomes(await home.reconcile({ onEvent: (event) => events.push(event) }), outcome);
  return events;
}

/** What the host said last of a task that it did. */
function saidBy(events: readonly JournalEvent[], task: string): string {
  const said = events.flatMap((event) =>
    event.kind === "task" && event.event.state === "done" && event.event.action === "do" ? [event.event] : [],
  );
  return said.findLast((event) => event.task.endsWith(`/${task}`))?.evidence ?? "";
}

async function allDone({ state, statusPort }: WorkerPlace, sent: number): Promise<void> {
  await until(`${sent} jobs`, allDoneWithinMs, async () => {
    // Asked in this order: a job that is booked is in hand until it is counted.
    if ((await bookedJobs(state)).jobs < sent) return false;
    const { inFlight = Number.NaN } = (await workerTotals(statusPort)) ?? {};
    // The consumer itself counts as one: it may take a job at any moment.
    return inFlight <= 1;
  });
}
