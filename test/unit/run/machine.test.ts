// The machine against hosts that report anything at all: what it may never decide.
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { Plan, Step } from "../../../src/model/plan.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import type { Task, TaskEvent } from "../../../src/model/task.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { decide, isStillToRun } from "../../../src/run/decide.ts";
import { type Effect, leaveOut } from "../../../src/run/effect.ts";
import { leaveOutHeld } from "../../../src/run/leave-out-held.ts";
import { reduce } from "../../../src/run/machine.ts";
import { initialRunState, type RunState } from "../../../src/run/run-state.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const run = "r1";
const world: World = {
  components: {
    app: { hosts: ["h1", "h2", "h3"], dependsOn: ["runtime"], drain: true, backup: true, health: true },
    runtime: { hosts: ["h1", "h2", "h3"] },
  },
  policy: { canaries: 1, batchSize: 2 },
};
const planWith = (rollbackPolicy: Plan["rollbackPolicy"]): Plan => makePlan(planInput({ ...world, rollbackPolicy }));
const plan = planWith("auto");

type Report = "done" | "failed" | "unknown" | "unhealthy";
interface Story {
  readonly events: readonly EventBody[];
  readonly effects: readonly Effect[];
  readonly state: RunState;
}

/** Plays the run with `report` for every host of every step, until it ends or `report` runs dry. */
function play(of: Plan, report: (step: Step, host: string) => Report | undefined): Story {
  const events: EventBody[] = [];
  const effects: Effect[] = [];
  let state = initialRunState;
  const happen = (event: EventBody) => {
    events.push(event);
    state = reduce(state, event, run);
  };
  happen({ kind: "run-planned", commit: "c", generation: "g", plan: of, epoch: 1, fleet: [] });
  for (let effect = decide(state); effect !== undefined && events.length < 2_000; effect = decide(state)) {
    effects.push(effect);
    if (effect.kind === "start-step") happen({ kind: "step-started", step: effect.step.id });
    else if (effect.kind === "end-step") happen({ kind: "step-ended", step: effect.step.id });
    else if (effect.kind === "end") {
      for (const bad of effect.bad) happen({ kind: "quarantined", ...bad });
      happen({ kind: "run-ended", outcome: effect.outcome, reason: effect.reason });
    } else if (effect.kind === "roll-back") {
      for (const bad of effect.bad) happen({ kind: "quarantined", ...bad });
      happen({ kind: "rollback-started", scope: effect.scope, reason: effect.reason, by: "cutover" });
    } else if (effect.kind === "leave-out") leaveOut(effect).forEach(happen);
    else if (effect.kind === "hold" || effect.kind === "pause") return { events, effects, state };
    else if (effect.kind === "reopen") effect.turns.forEach(happen);
    else {
      for (const host of effect.hosts) {
        const said = report(effect.step, host);
        if (said === undefined) return { events, effects, state };
        hostReports(effect.step, host, said).forEach(happen);
      }
    }
  }
  return { events, effects, state };
}

/** What a host would say: tasks up to a failing one, the rest skipped; an unknown host says nothing. */
function hostReports(step: Step, host: string, said: Report): EventBody[] {
  const tasks = step.work.find((work) => work.host === host)?.groups.flat() ?? [];
  const outcome = said === "unhealthy" ? "failed" : said;
  const ended: EventBody = { kind: "host-ended", step: step.id, host, outcome, evidence: said };
  if (said === "unknown") return [{ kind: "submitted", step: step.id, host }, ended];
  const health = tasks.findIndex(({ kind }) => kind === "health");
  const failing = said === "done" ? tasks.length : said === "unhealthy" && health >= 0 ? health : tasks.length - 1;
  const reason = said === "unhealthy" && health >= 0 ? "unhealthy" : "deadline-passed";
  const states = tasks.map((task, index): EventBody => {
    const state = index < failing ? "done" : index === failing ? "failed" : "skipped";
    return { kind: "task", step: step.id, host, event: taskEvent(task, state, reason) };
  });
  return [{ kind: "submitted", step: step.id, host }, ...states, ended];
}

function taskEvent(task: Task, state: TaskEvent["state"], reason = "ok"): TaskEvent {
  return { task: task.id, action: task.action, state, durationMs: 1, exitCode: 0, reason, evidence: "seen" };
}

const reports = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constant<Report>("done") },
    fc.constantFrom<Report>("failed", "unknown", "unhealthy"),
  ),
  { maxLength: 60 },
);
const policies = fc.constantFrom<Plan["rollbackPolicy"]>("auto", "release", "manual");
const from = (list: readonly Report[]) => {
  const rest = list.values();
  return () => rest.next().value;
};
const replay = (events: readonly EventBody[]) =>
  events.reduce((state, event) => reduce(state, event, run), initialRunState);
const failsAt =
  (id: string, said: Report = "failed") =>
  (step: Step, host: string) =>
    step.id === id && host === step.work.at(-1)?.host ? said : "done";
const undone = (state: RunState) =>
  (state.rollback?.steps ?? []).map((step) =>
    step.work.map(
      ({ host, groups }) =>
        `${step.id} ${host}: ${groups
          .flat()
          .map((task) => `${task.component}/${task.kind}`)
          .join(", ")}`,
    ),
  );

test("replaying the journal up to any event, with its newest event twice, gives the same decision (P6)", () => {
  fc.assert(
    fc.property(reports, policies, fc.nat(), (list, policy, cut) => {
      const { events } = play(planWith(policy), from(list));
      const prefix = events.slice(0, 1 + (cut % events.length));
      const twice = [...prefix, ...prefix.slice(-1)];
      assert.deepEqual(decide(replay(twice)), decide(replay(prefix)));
      assert.deepEqual(replay(JSON.parse(JSON.stringify(prefix))), replay(prefix), "also after a way through JSON");
    }),
  );
});

test("asked for one host, the machine says what it says of all of them (P9)", () => {
  fc.assert(
    fc.property(reports, policies, fc.nat(2), (list, policy, failureBudget) => {
      const made = { ...planWith(policy), failureBudget };
      let state = initialRunState;
      for (const event of play(made, from(list)).events) {
        state = reduce(state, event, run);
        const effect = decide(state);
        const named = effect?.kind === "run-step" ? effect.hosts.map((host) => `${effect.step.id}/${host}`) : [];
        const places = [...made.steps, ...(state.rollback?.steps ?? [])].flatMap((step) =>
          step.work.flatMap(({ host }) => (isStillToRun(state, step, host) ? [`${step.id}/${host}`] : [])),
        );
        assert.deepEqual(places, named);
      }
    }),
    { numRuns: 40 },
  );
});

test("after a host failed, no further step of the plan is started, but the confirmation of what did switch while a person decides (P8, P9)", () => {
  fc.assert(
    fc.property(reports, policies, (list, policy) => {
      const { events } = play(planWith(policy), from(list));
      const failure = events.findIndex((event) => event.kind === "host-ended" && event.outcome === "failed");
      const later = failure < 0 ? [] : events.slice(failure);
      const started = later.flatMap((event) => (event.kind === "step-started" ? [event.step] : []));
      const [failed] = later.flatMap((event) => (event.kind === "host-ended" ? [event.step] : []));
      const held = policy === "manual" ? failed?.replace("switch.", "confirm.") : undefined;
      assert.deepEqual(
        started.filter((id) => !id.startsWith("rollback.") && id !== held),
        [],
      );
    }),
  );
});

test("an unknown host ends no step and no run as done: the machine waits (P7, P10)", () => {
  fc.assert(
    fc.property(reports, policies, (list, policy) => {
      const made = planWith(policy);
      const { events } = play(made, from(list));
      for (let length = 1; length <= events.length; length++) {
        const state = replay(events.slice(0, length));
        const effect = decide(state);
        if (effect?.kind !== "end-step") continue;
        for (const { host } of effect.step.work)
          assert.ok(state.hosts.get(`${effect.step.id}/${host}`) === "done" || state.leftOut.has(host));
      }
    }),
    { numRuns: 20 },
  );
  const waiting = play(plan, (step, host) => (step.id === "switch.2" && host === "h2" ? undefined : "done"));
  const unknown = reduce(
    waiting.state,
    { kind: "host-ended", step: "switch.2", host: "h2", outcome: "unknown", evidence: "" },
    run,
  );
  const settled = reduce(
    unknown,
    { kind: "host-ended", step: "switch.2", host: "h3", outcome: "done", evidence: "" },
    run,
  );
  assert.equal(decide(settled)?.kind, "wait");
});

test("a host that goes silent before it switched is left out; the others go on, and the run is not done (P9, P10)", () => {
  for (const phase of ["distribute", "check"]) {
    const { state, effects } = play(plan, (step, host) => (step.id === phase && host === "h2" ? "unknown" : "done"));
    const later = effects.flatMap((effect) =>
      effect.kind === "run-step" && effect.step.id !== phase ? effect.hosts : [],
    );
    assert.deepEqual([...new Set(later)].sort(), phase === "check" ? ["h1", "h2", "h3"] : ["h1", "h3"]);
    assert.equal(state.outcome, "stuck");
    assert.match(state.reason, /left out: h2/);
  }
  const alone = play(plan, (step) => (step.id === "distribute" ? "unknown" : "done"));
  assert.equal(alone.effects.at(-1)?.kind, "wait", "when nobody answers, the run waits");
});

test("a host that goes silent after it switched is waited for, unless the budget allows it or an operator holds it (P9)", () => {
  const silent = (step: Step, host: string) => (step.id === "switch.2" && host === "h2" ? "unknown" : "done");
  let told = 0;
  const waiting = play(plan, (step, host) =>
    silent(step, host) === "unknown" && told++ > 0 ? undefined : silent(step, host),
  );
  assert.equal(decide(waiting.state)?.kind, "wait");
  assert.deepEqual(leaveOutHeld(waiting.state, new Map([["h3", "not this one"]])), []);
  const held = leaveOutHeld(waiting.state, new Map([["h2", "its disk died (anna)"]]));
  assert.deepEqual(held, [{ kind: "host-left-out", step: "switch.2", host: "h2", reason: "its disk died (anna)" }]);
  const tied = { ...waiting.state, plan: { ...plan, tied: ["app"] } };
  assert.match(
    JSON.stringify(leaveOutHeld(tied, new Map([["h2", "gone (anna)"]]))),
    /gone \(anna\); taken to be out of service for good, since no host may stay behind with app/,
  );
  const [event] = held;
  if (event) assert.notEqual(decide(reduce(waiting.state, event, run))?.kind, "wait");
  const tolerant = play({ ...plan, failureBudget: 1 }, silent);
  assert.match(tolerant.state.reason, /left out: h2/);
});

test("a run is done only when every host of every step reported done (P10)", () => {
  fc.assert(
    fc.property(reports, policies, (list, policy) => {
      const made = planWith(policy);
      const { state } = play(made, from(list));
      if (state.outcome !== "done") return;
      for (const step of made.steps)
        for (const { host } of step.work)
          assert.equal(state.hosts.get(`${step.id}/${host}`), "done", `${step.id} ${host}`);
    }),
  );
  assert.equal(play(plan, () => "done").state.outcome, "done");
});

test("a failed health check quarantines the version when the run ends; under manual it stays open, so nothing tries again (P16)", () => {
  assert.equal(play(planWith("manual"), failsAt("switch.1", "unhealthy")).state.outcome, undefined);
  for (const policy of ["auto", "release"] as const) {
    const { state } = play(planWith(policy), failsAt("switch.1", "unhealthy"));
    const app = plan.changes.find(({ component }) => component === "app");
    assert.deepEqual([...state.quarantined], [`app@${app?.toTree}`], policy);
  }
});

test("a missed deadline, a lost link or a refusal quarantines nothing (P16)", () => {
  for (const id of ["check", "switch.1", "confirm.1"]) {
    for (const said of ["failed", "unknown"] as const) {
      const asked = new Set<string>();
      const { state } = play(plan, (step, host) => {
        if (step.id !== id) return "done";
        const first = !asked.has(host);
        asked.add(host);
        return first ? said : "failed";
      });
      assert.notEqual(state.outcome, "done");
      assert.deepEqual([...state.quarantined], [], `${id} ${said}`);
    }
  }
});

test("auto undoes the failed batch only, dependants first", () => {
  const { state } = play(plan, failsAt("confirm.2"));
  assert.equal(state.outcome, "rolled-back");
  assert.deepEqual(undone(state), [
    ["rollback.2 h2: app/switch, runtime/switch", "rollback.2 h3: app/switch, runtime/switch"],
  ]);
});

test("release undoes every batch of the run, the last one first", () => {
  const { state } = play(planWith("release"), failsAt("confirm.2"));
  assert.equal(state.outcome, "rolled-back");
  assert.deepEqual(undone(state), [
    ["rollback.2 h2: app/switch, runtime/switch", "rollback.2 h3: app/switch, runtime/switch"],
    ["rollback.1 h1: app/switch, runtime/switch"],
  ]);
});

test("manual undoes nothing: the run stays open until a person decides, and says for what", () => {
  for (const id of ["check", "switch.1", "confirm.2", "commit"]) {
    const { state } = play(planWith("manual"), failsAt(id));
    assert.deepEqual([state.outcome, state.rollback], [undefined, undefined]);
    const effect = decide(state);
    assert.equal(effect?.kind, "hold");
    assert.match(
      effect.kind === "hold" ? effect.reason : "",
      new RegExp(`${id} failed on h.; rollback_policy is manual`),
    );
  }
});

test("while a person decides, hosts of the batch that did switch are confirmed: they would go back at their deadline (P8)", () => {
  const { state, effects } = play(planWith("manual"), failsAt("switch.2"));
  assert.equal(state.hosts.get("confirm.2/h2"), "done");
  assert.deepEqual(effects.at(-1), { kind: "hold", step: plan.steps.find(({ id }) => id === "switch.2"), hosts: ["h3"], reason: "switch.2 failed on h3; rollback_policy is manual; drained: h3/app" }); // biome-ignore format: one line
});

const turnOn = (step: string, host: string, tasks: readonly string[], turn = 1): EventBody => {
  return { kind: "host-reopened", step, host, turn, tasks, rest: [], by: "anna", reason: "mended" };
};

test("a host that is given another turn goes on from there, and the run with it; the others are left alone (R31)", () => {
  const made = planWith("manual");
  const { state } = play(made, failsAt("switch.2"));
  const again = reduce(state, turnOn("switch.2", "h3", ["h3/app/health do"]), run);
  assert.deepEqual(decide(again), { kind: "run-step", step: made.steps.find(({ id }) => id === "switch.2"), hosts: ["h3"] }); // biome-ignore format: one line
  const step = made.steps.find(({ id }) => id === "switch.2");
  assert.ok(step);
  assert.ok(isStillToRun(again, step, "h3") && !isStillToRun(again, step, "h2"));
  const ended = reduce(again, { kind: "host-ended", step: "switch.2", host: "h3", outcome: "done", evidence: "" }, run);
  assert.equal(decide(ended)?.kind, "end-step");
});

const byHand = (tasks: readonly Task[], id = "by-hand.1"): Step => {
  const [first] = tasks;
  assert.ok(first);
  const groups = tasks.map((task) => [task]);
  return { id, kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: first.host, groups }] };
};
const taskOf = (of: Plan, id: string): Task => {
  const found = of.steps
    .flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()))
    .find((task) => task.id === id);
  assert.ok(found);
  return found;
};
/** The story of an operator's step in a run that stands before its second batch. */
const afterByHand = (step: Step, said: Report) => {
  const { state } = play(planWith("auto"), (each) => (each.id === "switch.2" ? undefined : "done"));
  return [
    { kind: "step-added", step, by: "anna", reason: "look" } as const,
    { kind: "step-started", step: step.id } as const,
    ...hostReports(step, "h1", said),
    { kind: "step-ended", step: step.id } as const,
  ].reduce<RunState>((before, event) => reduce(before, event, run), state);
};

test("an undo by hand that failed, or that nobody knows of, holds the run as well (P7)", () => {
  for (const said of ["failed", "unknown"] as const) {
    const undo = { ...taskOf(plan, "h1/app/switch"), action: "undo" as const };
    const effect = decide(afterByHand(byHand([undo]), said));
    assert.deepEqual([effect?.kind, effect?.kind === "hold" && effect.hosts], ["hold", ["h1"]], said);
  }
});

test("a dry run, and a task of another version, say nothing about the plan's own task (P7, P16)", () => {
  const task = taskOf(plan, "h1/app/switch");
  const dry = { ...task, action: "undo" as const, options: { "dry-run": "yes" } };
  for (const aside of [dry, { ...task, version: "0.9.0" }]) {
    const state = afterByHand(byHand([aside]), aside === dry ? "done" : "failed");
    assert.equal(state.tasks.get(task.id)?.state, "done");
    assert.equal(decide(state)?.kind, "run-step", "the run goes on");
  }
});

test("a batch that fails when it is tried again goes back itself, whatever came after it (R14)", () => {
  const { state } = play(planWith("auto"), (step) => (step.id === "commit" ? undefined : "done"));
  const again = reduce(state, turnOn("switch.1", "h1", ["h1/app/switch do"]), run);
  const failed = reduce(
    again,
    { kind: "host-ended", step: "switch.1", host: "h1", outcome: "failed", evidence: "" },
    run,
  );
  const effect = decide(failed);
  assert.ok(effect?.kind === "roll-back");
  const back = reduce(failed, { ...effect, kind: "rollback-started", by: "cutover" }, run);
  assert.deepEqual(
    back.rollback?.steps.map(({ id }) => id),
    ["rollback.1"],
  );
});

test("bytes that a mended bundle brings to a host that has switched do not make it one that may be left out (P9)", () => {
  const made = planWith("manual");
  const { state } = play(made, failsAt("switch.2"));
  const again = reduce(state, turnOn("distribute", "h1", ["h1/app/distribute do", "h1/app/build do"]), run);
  assert.deepEqual(decide(again), { kind: "run-step", step: made.steps.find(({ id }) => id === "distribute"), hosts: ["h1"] }); // biome-ignore format: one line
  const silent = reduce(
    again,
    { kind: "host-ended", step: "distribute", host: "h1", outcome: "unknown", evidence: "" },
    run,
  );
  assert.equal(decide(silent)?.kind, "wait");
});

test("what an operator takes back is missing where the plan had it: an ended step opens again and waits (R31)", () => {
  const made = planWith("auto");
  const until = (step: Step) => (step.id === "switch.2" ? undefined : "done");
  const { state } = play(made, until);
  const task = made.steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat())).find(({ id }) => id === "h1/app/switch"); // biome-ignore format: one line
  assert.ok(task);
  const undo = { ...task, action: "undo" as const };
  const step: Step = { id: "by-hand.1", kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: "h1", groups: [[undo]] }] }; // biome-ignore format: one line
  const added = reduce(state, { kind: "step-added", step, by: "anna", reason: "look" }, run);
  assert.deepEqual(decide(added), { kind: "start-step", step });
  const undone = [
    { kind: "step-started", step: step.id } as const,
    ...hostReports(step, "h1", "done"),
    { kind: "step-ended", step: step.id } as const,
  ].reduce((before, event) => reduce(before, event, run), added);
  assert.equal(undone.tasks.get(task.id)?.state, "undone");
  const effect = decide(undone);
  assert.deepEqual([effect?.kind, effect?.kind === "hold" && effect.hosts], ["hold", ["h1"]]);
  const again = reduce(undone, turnOn("switch.1", "h1", ["h1/app/switch do"]), run);
  assert.deepEqual(decide(again), { kind: "run-step", step: made.steps.find(({ id }) => id === "switch.1"), hosts: ["h1"] }); // biome-ignore format: one line
});

test("a failure before anything switched ends the run and undoes nothing", () => {
  for (const id of ["distribute", "check"]) {
    const { state } = play(plan, failsAt(id));
    assert.deepEqual([state.outcome, state.rollback], ["stuck", undefined]);
  }
});

test("a failed way back is stuck, never called rolled back (P7)", () => {
  const { state } = play(plan, (step) => (step.id === "confirm.1" || step.id === "rollback.1" ? "failed" : "done"));
  assert.equal(state.outcome, "stuck");
});

test("a host that was drained when its health check failed is undrained on the way back, after the switch back", () => {
  const { state } = play(plan, failsAt("switch.1", "unhealthy"));
  assert.deepEqual(undone(state), [["rollback.1 h1: app/switch, app/drain, runtime/switch"]]);
});

test("the way back leaves out what surely never ran: tasks skipped, and hosts that refused the step", () => {
  const runtimeFailed = stateAt("switch.1", (tasks) =>
    tasks.map((task, index) => taskEvent(task, index === 0 ? "failed" : "skipped", "unhealthy")),
  );
  assert.deepEqual(undone(rolledBack(runtimeFailed)), [["rollback.1 h1: runtime/switch"]]);
  const refused = reduce(
    play(plan, (step) => (step.id === "switch.1" ? undefined : "done")).state,
    { kind: "host-ended", step: "switch.1", host: "h1", outcome: "failed", evidence: "stale-epoch" },
    run,
  );
  assert.deepEqual(undone(rolledBack(refused)), []);
});

test("the way back includes what may have run: a task without a word, of a host that took the step (P7)", () => {
  const silent = stateAt("switch.1", () => []);
  assert.deepEqual(undone(rolledBack(silent)), [["rollback.1 h1: app/switch, app/drain, runtime/switch"]]);
  const { state } = play(planWith("auto"), (step, host) =>
    step.id === "switch.2" ? (host === "h2" ? "unknown" : "failed") : "done",
  );
  assert.ok(
    undone(state)
      .flat()
      .some((line) => line.startsWith("rollback.2 h2: app/switch")),
  );
});

test("the way back includes what was skipped and handed over once more, of which nobody knows since (P7)", () => {
  const skipped = stateAt("switch.1", (tasks) => tasks.map((task) => taskEvent(task, "skipped", "stale-epoch")));
  const keys = ["h1/runtime/switch do", "h1/app/drain do", "h1/app/switch do"];
  const again = reduce(skipped, turnOn("switch.1", "h1", keys), run);
  const lost = reduce(
    again,
    { kind: "host-ended", step: "switch.1", host: "h1", outcome: "unknown", evidence: "" },
    run,
  );
  const back = { kind: "rollback-started", scope: "batch", step: "switch.1", reason: "test", by: "anna" } as const;
  assert.deepEqual(undone(reduce(lost, back, run)), [["rollback.1 h1: app/switch, app/drain, runtime/switch"]]);
});

/** The run up to `id`, whose first host took the step, reported `tell` and failed. */
function stateAt(id: string, tell: (tasks: readonly Task[]) => readonly TaskEvent[]): RunState {
  const { state } = play(plan, (step) => (step.id === id ? undefined : "done"));
  const work = plan.steps.find((step) => step.id === id)?.work[0];
  const host = work?.host ?? "";
  const events: EventBody[] = [
    { kind: "submitted", step: id, host },
    ...tell(work?.groups.flat() ?? []).map((event): EventBody => ({ kind: "task", step: id, host, event })),
    { kind: "host-ended", step: id, host, outcome: "failed", evidence: "" },
  ];
  return events.reduce((before, event) => reduce(before, event, run), state);
}

function rolledBack(state: RunState): RunState {
  assert.equal(decide(state)?.kind, "roll-back");
  return reduce(state, { kind: "rollback-started", scope: "batch", reason: "test", by: "cutover" }, run);
}
