// The published status: what hosts are read back doing decides, whatever they or the run say about it.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObservedComponent } from "../../../src/model/observation.ts";
import { Status, type TargetStatus } from "../../../src/model/status.ts";
import type { TaskState } from "../../../src/model/task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { makeStatus, type StatusInput, saysTheSame } from "../../../src/status/make-status.ts";
import { planInput, treeOf, type World } from "../../support/plan-input.ts";

const now = 1_000_000;
type Seen = Partial<ObservedComponent> | "unreachable";

/** One component `web`, 1.0.0 → 2.0.0 on each host; `after` is what is read back. */
function statusOf(
  after: Readonly<Record<string, Seen>>,
  more: Partial<StatusInput> & { before?: World["observed"]; states?: Readonly<Record<string, TaskState>> } = {},
): Status {
  const { before, states = {}, ...rest } = more;
  const hosts = Object.keys(after);
  const components = { web: { hosts } };
  const input = planInput({ components, ...(before ? { observed: before } : {}) });
  const observations = new Map(input.observations);
  for (const [host, seen] of Object.entries(after)) {
    const old = observations.get(host);
    if (seen === "unreachable" || old?.kind !== "observed")
      observations.set(host, { kind: "unreachable", host, at: 0, code: "host-unreachable", message: "no route" });
    else observations.set(host, { ...old, components: old.components.map((component) => ({ ...component, ...seen })) });
  }
  const status = makeStatus({
    release: input.release,
    commit: "c".repeat(40),
    generation: input.generation,
    plan: makePlan(input),
    run: "r1",
    outcome: "done",
    reason: "",
    task: (id) => {
      const state = states[id];
      return state && { state, reason: "", evidence: "", at: 777 };
    },
    observations,
    quarantined: [],
    previous: undefined,
    now,
    holder: "control",
    epoch: 1,
    ...rest,
  });
  return Status.parse(status);
}

test("P7: of a host on trial the status says when it goes back by itself: nobody hears of it then", () => {
  const trial = { from: "1.0.0", to: "2.0.0", run: "r1", reason: undefined };
  const detail = (endsAt?: number) => {
    const seen = { ...on("2.0.0"), committed: "1.0.0", state: "trial" as const };
    return statusOf({ web1: { ...seen, trial: { ...trial, ...(endsAt === undefined ? {} : { endsAt }) } } }).targets[0]
      ?.detail;
  };
  assert.equal(detail(), "2.0.0 is there, but its state is trial, not committed");
  assert.match(
    detail(1_796_030_000_000) ?? "",
    /, not committed; unless it is confirmed it goes back by itself, by 2026-11-30T09:14:00Z on its own clock$/,
  );
  assert.match(detail(999_999_999_999_999_000) ?? "", /by \+275760-09-13T00:00:00Z on/);
});

const on = (version: string): Partial<ObservedComponent> => ({
  current: version,
  currentTree: treeOf("web", version),
  committed: version,
  committedTree: treeOf("web", version),
  state: "committed",
  active: true,
});
const first = ({ targets }: Status): TargetStatus => {
  const [target] = targets;
  assert.ok(target);
  return target;
};

test("done is said by the host and read back: version, tree and commit; since is the time of the switch (P10)", () => {
  const states = { "h1/web/switch": "done" as const };
  const done = statusOf({ h1: on("2.0.0") }, { states });
  assert.deepEqual([first(done).outcome, first(done).since, done.conditions[0]?.reason], ["done", 777, "Converged"]);
  const otherTree = statusOf({ h1: { ...on("2.0.0"), currentTree: treeOf("web", "x") } }, { states });
  assert.equal(first(otherTree).outcome, "unknown");
  const uncommitted = statusOf({ h1: { ...on("2.0.0"), committed: "1.0.0", state: "confirmed" } }, { states });
  assert.equal(first(uncommitted).outcome, "pending");
  assert.equal(uncommitted.conditions[0]?.status, "False");
});

test("R18: what a switch cut off stands at its host until that host switches again", () => {
  const states = { "h1/web/switch": "done" as const };
  const cut = { inFlight: 3, killed: 1 };
  const switched = statusOf({ h1: on("2.0.0") }, { states, cuts: new Map([["h1/web", cut]]) });
  assert.deepEqual(first(switched).cut, cut);
  const rested = statusOf({ h1: on("2.0.0") }, { previous: switched, run: undefined, outcome: "in-sync" });
  assert.deepEqual(first(rested).cut, cut);
  assert.equal(first(statusOf({ h1: on("2.0.0") }, { previous: switched, states })).cut, undefined);
  assert.equal(first(statusOf({ h1: on("1.0.0") }, { previous: switched })).cut, undefined, "it runs something else");
});

test("P7: a service that is down is never Ready, whatever `current` names", () => {
  for (const states of [{}, { "h1/web/switch": "done" as const }]) {
    const status = statusOf({ h1: { ...on("2.0.0"), active: false } }, { states });
    assert.deepEqual([first(status).outcome, first(status).detail], ["failed", "not running"]);
    assert.deepEqual(status.conditions.map(({ status: value, reason }) => [value, reason]), [["False", "NotRunning"], ["True", "NotRunning"]]); // biome-ignore format: one line
  }
});

test("a version that waits for its commit, and whose commit failed, is not in sync", () => {
  const waiting = {
    ...on("2.0.0"),
    committed: "1.0.0",
    committedTree: treeOf("web", "1.0.0"),
    state: "confirmed" as const,
  };
  const before = { h1: { web: { current: "2.0.0", committed: "1.0.0", state: "confirmed" as const } } };
  const failed = statusOf({ h1: waiting }, { before, states: { "h1/web/commit": "failed" }, outcome: "stuck" });
  assert.equal(first(failed).outcome, "failed");
  assert.equal(first(statusOf({ h1: waiting }, { before })).outcome, "pending");
});

test("F28: a `current` that names no version is null in the status, with the word in the detail", () => {
  const status = statusOf(
    { h1: { ...on("1.0.0"), current: "?" } },
    { before: { h1: { web: { current: "?", committed: "1.0.0" } } } },
  );
  assert.equal(first(status).version, null);
  assert.match(first(status).detail ?? "", /current is \?/);
});

test("a host that does not answer keeps the last known version and since, and is not Ready (P7)", () => {
  const previous = statusOf({ h1: on("2.0.0") }, { states: { "h1/web/switch": "done" } });
  const status = statusOf({ h1: "unreachable" }, { previous, outcome: "in-sync", run: undefined });
  const { version, since, outcome, detail } = first(status);
  assert.deepEqual([version, since, outcome], ["2.0.0", 777, "unreachable"]);
  assert.match(detail ?? "", /no route/);
  assert.notEqual(status.conditions[0]?.status, "True");
});

test("long words of runs and hosts fit: names are folded, texts cut, quarantines of other components left out", () => {
  const hosts = Array.from({ length: 300 }, (_, index) => `host-with-a-long-name-${index + 1}`);
  const after = Object.fromEntries(hosts.map((host) => [host, on("1.0.0")]));
  const entry = { version: "3.0.0", tree: "t", reason: "x".repeat(5_000) };
  const quarantined = ["db", ...Array.from({ length: 1_200 }, () => "web")].map((component) => ({
    component,
    ...entry,
  }));
  const status = statusOf(after, { outcome: "stuck", reason: `switch.1 failed on ${hosts.join(", ")}`, quarantined });
  assert.equal(status.conditions[1]?.message, "switch.1 failed on host-with-a-long-name-1..host-with-a-long-name-300");
  assert.equal(status.quarantined.length, 1_000);
  assert.ok(status.quarantined.every(({ component }) => component === "web"));
  statusOf(after, { outcome: "stuck", reason: "\u{1f600}".repeat(5_000) });
});

test("an equal status of another run says nothing new", () => {
  const status = statusOf({ h1: on("1.0.0") }, { outcome: "rolled-back", reason: "switch.1 failed on h1" });
  assert.ok(saysTheSame(status, { ...status, run: "r2", at: 5, epoch: 9 }));
  assert.ok(!saysTheSame(status, { ...status, commit: "d".repeat(40) }));
});

test("R17: a status says what its run saved at one moment, and keeps saying so until another run", () => {
  const state = treeOf("web", "state");
  const part = {
    host: "h1",
    component: "web",
    version: "1.0.0",
    tree: undefined,
    state,
    fromMs: 0,
    toMs: 1,
    wallMs: 0,
  };
  const restorePoint = { id: "r1.p1", at: 5, withinMs: 500, spreadMs: 20, state, parts: [part] };
  const first = statusOf({ h1: on("2.0.0") }, { restorePoint });
  assert.deepEqual(first.restorePoint, { ...restorePoint, parts: 1 });
  const idle = statusOf({ h1: on("2.0.0") }, { run: undefined, outcome: "in-sync", previous: first });
  assert.deepEqual(idle.restorePoint, first.restorePoint);
  assert.equal(statusOf({ h1: on("2.0.0") }, { run: "r2", previous: first }).restorePoint, undefined);
});

test("P8: a host whose trial of this run went back by itself is rolled back, not unknown; one of another run is", () => {
  const states = { "h1/web/switch": "done" as const };
  const trial = { from: "1.0.0", to: "2.0.0", run: "r1", reason: "deadline" };
  const back = { ...on("1.0.0"), state: "reverted" as const, trial };
  const { outcome, detail } = first(statusOf({ h1: back }, { states, outcome: "waiting" }));
  assert.equal(outcome, "rolled-back");
  assert.equal(detail, "2.0.0 was not confirmed before its deadline; it went back to 1.0.0 by itself");
  const lost = statusOf({ h1: back }, { states: { "h1/web/switch": "unknown" }, outcome: "waiting" });
  assert.equal(first(lost).outcome, "rolled-back");
  for (const other of [
    { ...back, trial: { ...trial, run: "r0" } },
    { ...back, currentTree: treeOf("web", "x") },
  ])
    assert.equal(first(statusOf({ h1: other }, { states, outcome: "waiting" })).outcome, "unknown");
});

test("a host that went back because it was not well says what its check found", () => {
  const found: Record<string, { state: TaskState; reason: string; evidence: string; at: number }> = {
    "h1/web/switch": { state: "undone", reason: "", evidence: "pid=7 started=7\ncurrent=1.0.0", at: 777 },
    "h1/web/health": { state: "failed", reason: "unhealthy", evidence: "health.1 http: 404\npid=7", at: 776 },
  };
  const { outcome, detail } = first(statusOf({ h1: on("1.0.0") }, { outcome: "rolled-back", task: (id) => found[id] }));
  assert.deepEqual([outcome, detail], ["rolled-back", "unhealthy: health.1 http: 404"]);
  delete found["h1/web/health"];
  const { detail: others } = first(statusOf({ h1: on("1.0.0") }, { task: (id) => found[id] }));
  assert.equal(others, "the run took 2.0.0 back to 1.0.0", "it was another host that was not well");
});
