// A run takes its restore point, again when it is torn, and goes nowhere without one (R17, P7).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventBody, JournalEvent } from "../../../src/model/run-event.ts";
import type { Task } from "../../../src/model/task.ts";
import { makeTask } from "../../../src/plan/host-tasks.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import type { DriveInput } from "../../../src/run/drive-run.ts";
import { memoryJournal, run, runController, sleptClock } from "../../support/engine.ts";
import { type HostScript, inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput, treeOf, type World } from "../../support/plan-input.ts";

const world: World = {
  components: {
    api: { hosts: ["h1", "h2"], dependsOn: ["database"], health: true },
    cache: { hosts: ["h2"], backup: true },
    database: { hosts: ["h1"], backup: true },
  },
  observed: { h2: { cache: { current: "2.0.0" } } },
  restorePoint: { components: ["database", "cache"], withinMs: 500 },
  rollbackPolicy: "release",
};
const plan = makePlan(planInput(world));
const bootId = "01234567-89ab-cdef-0123-456789abcdef";
/** When each host was started, in our clock. */
const started: Readonly<Record<string, number>> = { h1: -40_000, h2: -7_000_000 };

/** Hosts that save as soon as they are told to; `tookMs` says how long, by the number of the try. */
function saving(tookMs: (task: Task, attempt: number) => number, more: Partial<HostScript> = {}) {
  const clock = sleptClock();
  const script: HostScript = {
    clock: (host) => ({ uptimeCs: Math.floor((clock.now() - (started[host] ?? 0)) / 10), bootId }),
    says: (task) => {
      if (task.kind !== "backup" || task.action !== "do" || task.options.point === undefined) return "";
      const from = Number(task.options.at);
      const attempt = Number(task.options.point.split(".p")[1]);
      const version = task.component === "cache" ? "2.0.0" : "1.0.0";
      const words = {
        ...{ point: task.options.point, version, tree: treeOf(task.component, version) },
        ...{ state: treeOf(task.component, "state"), from, to: from + Math.round(tookMs(task, attempt) / 10) },
        ...{ wall: 1, "boot-id": bootId },
      };
      return `paths=1 missing=0\npart ${Object.entries(words)
        .map(([key, value]) => `${key}=${value}`)
        .join(" ")}`;
    },
    ...more,
  };
  const hosts = inProcessHosts(script);
  const journal = memoryJournal();
  const go = () => runController({ plan, journal, executor: hosts.executor, epoch: 1, clock });
  const events = <Kind extends JournalEvent["kind"]>(kind: Kind) =>
    journal.kept.filter((event): event is Extract<JournalEvent, { kind: Kind }> => event.kind === kind);
  return { hosts, journal, go, events };
}

test("R17: a point is taken before anything switches, of what the plan starts from, and the journal keeps it", async () => {
  const { hosts, go, events } = saving(() => 100);
  const state = await go();
  assert.equal(state.outcome, "done", state.reason);
  const [event] = events("restore-point-taken");
  assert.equal(event?.point.id, `${run}.p1`);
  assert.deepEqual(
    event?.point.parts.map(({ host, component, version }) => `${host}/${component} ${version}`),
    ["h1/database 1.0.0", "h2/cache 2.0.0"],
  );
  const order = hosts.ran.map((line) => line.split(" ").slice(3, 4).join());
  const saved = order.flatMap((id, at) => (id === "h1/database/backup" || id === "h2/cache/backup" ? [at] : []));
  assert.ok(Math.max(...saved.slice(0, 2)) < order.findIndex((id) => id.endsWith("/switch")));
});

test("R17: a torn point is taken again, and the run goes on when it is whole", async () => {
  const { go, events } = saving(({ component }, attempt) => (component === "cache" && attempt < 3 ? 900 : 50));
  const state = await go();
  assert.equal(state.outcome, "done", state.reason);
  assert.deepEqual(events("restore-point-begun").map(({ id }) => id), [1, 2, 3].map((each) => `${run}.p${each}`)); // biome-ignore format: one line
  assert.equal(events("restore-point-torn").length, 2);
});

test("R17: after three torn points the run ends before anything switched, and says who was late by how much", async () => {
  const { hosts, go, events } = saving(({ component }) => (component === "cache" ? 900 : 50));
  const state = await go();
  assert.equal(state.outcome, "stuck");
  assert.match(state.reason, /restore-point failed on h2: h2\/cache is \d+ ms too late .* took 900 ms/);
  assert.equal(events("restore-point-torn").length, 3);
  assert.equal(hosts.versions.size, 0);
  assert.deepEqual([state.hosts.get("restore-point/h1"), state.hosts.get("restore-point/h2")], ["done", "failed"]);
});

test("R17: a host that cannot save, falls silent, or is too old to tell its clock ends the run before anything switched (P7)", async () => {
  for (const [script, said] of [
    [
      { fails: ({ id }: Task) => (id === "h2/cache/backup" ? "backup-failed" : undefined) },
      /h2\/cache was not saved: backup-failed/,
    ],
    [
      {
        loses: (host: string, moment: string, step: string) =>
          host === "h2" && moment === "after submit" && step.startsWith("restore-point"),
      },
      /h2: .*reach/,
    ],
    [{ says: () => "saved" }, /h1\/database\/backup reported no part/],
  ] as const) {
    const { hosts, go } = saving(() => 50, script);
    const state = await go();
    assert.equal(state.outcome, "stuck");
    assert.match(state.reason, said);
    assert.equal(hosts.versions.size, 0);
  }
  const old = saving(() => 50);
  const { clock: _, ...without } = old.hosts.script;
  old.hosts.script = without;
  const state = await old.go();
  assert.match(state.reason, /h1 has a host\.sh that is too old to tell its clock/);
});

test("R17: when the whole run is taken back, every part of the point is put back after the switches", async () => {
  const { hosts, go } = saving(() => 50, { fails: ({ id, action }) => (id === "h2/api/health" && action === "do" ? "unhealthy" : undefined) }); // biome-ignore format: one line
  const state = await go();
  assert.equal(state.outcome, "rolled-back", state.reason);
  const back = hosts.ran.filter((line) => line.endsWith(" undo")).map((line) => line.split(" ").slice(2).join(" "));
  assert.deepEqual(back.slice(-2).sort(), [
    "rollback.restore-point h1/database/backup undo",
    "rollback.restore-point h2/cache/backup undo",
  ]);
  assert.ok(back.some((line) => line.endsWith("h1/database/switch undo")));
});

test("R17: a controller that dies while a point is taken takes another one; one that was taken stands (P6)", async () => {
  for (const at of ["restore-point-begun", "restore-point-taken"] as const) {
    const { journal, go, events, hosts } = saving(() => 50);
    const append = journal.append.bind(journal);
    let dead = false;
    Object.assign(journal, {
      append: async (written: readonly JournalEvent[]) => {
        await append(written);
        if (dead || !written.some(({ kind }) => kind === at)) return;
        dead = true;
        throw new Error("killed");
      },
    });
    await assert.rejects(go(), /killed/);
    const state = await go();
    assert.equal(state.outcome, "done", state.reason);
    assert.equal(events("restore-point-taken").length, 1);
    assert.equal(events("restore-point-begun").length, at === "restore-point-begun" ? 2 : 1);
    assert.equal(hosts.versions.size, 3);
  }
});

test("R17: under rollback_policy manual a torn point waits for a person, and is taken of all hosts again when one is retried", async () => {
  let slow = true;
  const { journal, hosts, events } = saving(({ component }) => (slow && component === "cache" ? 900 : 50));
  const manual = makePlan(planInput({ ...world, rollbackPolicy: "manual" }));
  const clock = sleptClock();
  const go = () => runController({ plan: manual, journal, executor: hosts.executor, epoch: 1, clock });
  hosts.script = { ...hosts.script, clock: (host) => ({ uptimeCs: Math.floor((clock.now() - (started[host] ?? 0)) / 10), bootId }) }; // biome-ignore format: one line
  const held = await go();
  assert.equal(held.outcome, undefined);
  assert.deepEqual([held.tasks.get("h2/cache/backup")?.state, held.tasks.get("h2/cache/backup")?.reason], ["failed", "restore-point-torn"]); // biome-ignore format: one line
  assert.equal(held.tasks.get("h1/database/backup")?.state, "done");
  const event = (body: EventBody): JournalEvent => {
    const newest = journal.kept.at(-1) ?? assert.fail();
    return { ...body, stream: newest.stream, sequence: newest.sequence + 1, at: 0 };
  };
  slow = false;
  const reopened = { kind: "host-reopened", step: "restore-point", host: "h2", turn: 1, tasks: ["h2/cache/backup do"], rest: [], by: "ann", reason: "again" } as const; // biome-ignore format: one line
  await journal.append([event(reopened)]);
  assert.equal((await go()).outcome, "done");
  assert.equal(events("restore-point-taken")[0]?.point.parts.length, 2);
});

test("R17, R31: the run goes on without a part that a person skips; the others are still saved together", async () => {
  const fails = ({ id, action }: Task) => (id === "h2/api/health" && action === "do" ? "unhealthy" : undefined);
  const { journal, hosts, events } = saving(({ component }) => (component === "cache" ? 900 : 50), { fails });
  const manual = makePlan(planInput({ ...world, rollbackPolicy: "manual" }));
  const clock = sleptClock();
  hosts.script = { ...hosts.script, clock: (host) => ({ uptimeCs: Math.floor((clock.now() - (started[host] ?? 0)) / 10), bootId }) }; // biome-ignore format: one line
  const go = () => runController({ plan: manual, journal, executor: hosts.executor, epoch: 1, clock });
  await go();
  const newest = journal.kept.at(-1) ?? assert.fail();
  const place = { stream: newest.stream, at: 0 };
  const skipped = { kind: "task-skipped", task: "h2/cache/backup", by: "ann", reason: "no data yet", signature: "" } as const; // biome-ignore format: one line
  const reopened = { kind: "host-reopened", step: "restore-point", host: "h2", turn: 1, tasks: [], rest: [], by: "ann", reason: "no data yet" } as const; // biome-ignore format: one line
  await journal.append([
    { ...skipped, ...place, sequence: newest.sequence + 1 },
    { ...reopened, ...place, sequence: newest.sequence + 2 },
  ]);
  assert.equal((await go()).outcome, undefined, "the release waits for a person, later");
  assert.deepEqual(events("restore-point-taken")[0]?.point.parts.map(({ component }) => component), ["database"]); // biome-ignore format: one line
  const back = { kind: "rollback-started", scope: "release", by: "ann", reason: "enough" } as const;
  await journal.append([{ ...back, ...place, sequence: (journal.kept.at(-1)?.sequence ?? 0) + 1 }]);
  assert.equal((await go()).outcome, "rolled-back");
  const restored = hosts.ran.filter((line) => line.includes("rollback.restore-point"));
  assert.deepEqual(restored.map((line) => line.split(" ")[3]), ["h1/database/backup"]); // biome-ignore format: one line
});

test("R17: a part that was taken back by hand is tried again as a whole new point, and nothing else is done with it (P7, P12)", async () => {
  const { hosts, journal, events } = saving(() => 50);
  const clock = sleptClock();
  hosts.script = { ...hosts.script, clock: (host) => ({ uptimeCs: Math.floor((clock.now() - (started[host] ?? 0)) / 10), bootId }) }; // biome-ignore format: one line
  const go = (more: Partial<DriveInput>) => runController({ plan, journal, executor: hosts.executor, epoch: 1, clock, more }); // biome-ignore format: one line
  const say = (body: EventBody) => {
    const newest = journal.kept.at(-1) ?? assert.fail();
    return journal.append([{ ...body, stream: newest.stream, sequence: newest.sequence + 1, at: 0 }]);
  };
  while (events("restore-point-taken").length === 0) await go({ pace: "one-task" });
  const task = { ...makeTask({ host: "h2", component: "cache", to: "2.0.0" }, "backup"), action: "undo" } as const;
  const work = [{ host: "h2", groups: [[task]] }];
  await say({ kind: "step-added", step: { id: "by-hand.1", kind: "task", phase: "prepare", batch: 0, soakSeconds: 0, work }, by: "ann", reason: "odd" }); // biome-ignore format: one line
  const held = await go({ pace: "by-hand" });
  assert.equal(held.tasks.get("h2/cache/backup")?.state, "undone");
  const turn = { turn: 1, tasks: ["h2/cache/backup do"], rest: [], by: "ann", reason: "again" } as const;
  await say({ kind: "host-reopened", step: "restore-point", host: "h2", ...turn });
  const since = journal.kept.length;
  const state = await go({ pace: "one-task", upTo: "h2/cache/backup" });
  assert.equal(state.outcome, undefined);
  assert.equal(state.tasks.get("h2/cache/backup")?.state, "done");
  assert.deepEqual(events("restore-point-taken").map(({ point }) => point.id), [1, 2].map((each) => `${run}.p${each}`)); // biome-ignore format: one line
  const did = journal.kept.slice(since).flatMap((event) => (event.kind === "task" && event.event.state === "done" ? event.event.task : [])); // biome-ignore format: one line
  assert.deepEqual(did.sort(), ["h1/database/backup", "h2/cache/backup"]);
});
