// One table of all that a run or a release can wait for: `status`, `plan`, `reconcile` and `task list` say the same of each, by the
// same code, from the journal of a run that really came there.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReleaseResult } from "../../../src/app/pass-result.ts";
import { readOpenRuns } from "../../../src/app/read-open-runs.ts";
import { blockedResult, waitingFor } from "../../../src/app/release-trouble.ts";
import { standingOf } from "../../../src/app/tasks/describe-run.ts";
import { currentState } from "../../../src/cli/current-state.ts";
import { livePlanExitCode, passExitCode, standingExitCode, statusExitCode } from "../../../src/cli/outcomes.ts";
import type { Plan } from "../../../src/model/plan.ts";
import { type Condition, stateOf } from "../../../src/model/status.ts";
import { claimsOf } from "../../../src/plan/claims.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { slicePlan } from "../../../src/plan/slice-plan.ts";
import type { DriveInput } from "../../../src/run/drive-run.ts";
import { replayRun, runStream } from "../../../src/run/replay.ts";
import type { RunState } from "../../../src/run/run-state.ts";
import { makeStatus } from "../../../src/status/make-status.ts";
import { applyPlan } from "../../support/apply-plan.ts";
import { memoryJournal, run, runController } from "../../support/engine.ts";
import { type HostScript, inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const two: World = {
  components: { app: { hosts: ["h1", "h2"], health: true } },
  policy: { canaries: 1, batchSize: 1 },
};

interface Came {
  /** As a pass returns it. */
  readonly result: ReleaseResult;
  /** What `plan` would show now. */
  readonly left: Plan;
  readonly state?: RunState;
  readonly journal?: ReturnType<typeof memoryJournal>;
  readonly input: ReturnType<typeof planInput>;
}

/** Drives a run of this world until it waits, ends, or is stopped. */
async function driven(
  world: World,
  { script, more, part }: { script?: HostScript; more?: Partial<DriveInput>; part?: string } = {},
): Promise<Came> {
  const input = planInput(world);
  const whole = makePlan(input);
  const terms = part === undefined ? [] : [[{ key: "task", value: part }]];
  const slice = part === undefined ? undefined : slicePlan({ plan: whole, terms, labelsOf: () => ({}) });
  assert.equal(slice === undefined, part === undefined);
  const plan = slice?.plan ?? whole;
  const journal = memoryJournal();
  const { executor } = inProcessHosts(script);
  const state = await runController({ plan, journal, executor, epoch: 1, ...(more === undefined ? {} : { more }) });
  const outcome: ReleaseResult["outcome"] = state.outcome ?? "waiting";
  const isDone = outcome === "done" && part === undefined;
  const after = isDone ? applyPlan(input, plan) : input;
  const found = { release: "shop", plan, observations: after.observations, run: { run, state }, outcome };
  return {
    result: { ...found, ...waitingFor(run, state) },
    left: isDone ? makePlan(after) : whole,
    ...{ state, journal, input: after },
  };
}

function planned(world: World, result: (plan: Plan) => Partial<ReleaseResult> & Pick<ReleaseResult, "outcome">): Came {
  const input = planInput(world);
  const plan = makePlan(input);
  const { observations } = input;
  return { result: { release: "shop", plan, observations, run: undefined, ...result(plan) }, left: plan, input };
}

const claimed = () => {
  const plan = makePlan(planInput(two));
  const by = {
    run: "r0",
    plan: { ...plan, release: "other" },
    claims: claimsOf(plan),
    since: 0,
    unwell: new Set<string>(),
  };
  return blockedResult("shop", [{ by, conflict: { kind: "claimed", component: "app", hosts: ["h1"] } }]);
};

/** Its plan is not done now, whatever it holds. */
const keptBack = (reason: string) => {
  const came = planned(two, () => ({ outcome: "stalled", trouble: { reason, message: "" } }));
  return { ...came, left: { ...came.left, changes: [], held: came.left.changes.map(({ host, component }) => ({ host, component, reason: "held" as const, evidence: "" })) } }; // biome-ignore format: one line
};

const silence: HostScript = {
  loses: (host, moment, step) => host === "h1" && moment === "event" && step === "switch.1",
};

/** Another commit of a release of which an open run has spent the budget. */
async function overBudget(): Promise<Came> {
  const { journal, left, input } = await driven(two, { script: silence });
  const by = { run, plan: left, claims: claimsOf(left), since: 0, unwell: new Set(["h1"]) };
  const result = blockedResult("shop", [{ by, conflict: { kind: "budget", hosts: ["h1"], budget: 0 } }], input);
  return { result: { ...result, plan: left }, left, input, ...(journal === undefined ? {} : { journal }) };
}

/** Its controller was stopped in the middle of the first switch. */
async function interrupted(): Promise<Came> {
  const input = planInput(two);
  const plan = makePlan(input);
  const journal = memoryJournal();
  const stop = new AbortController();
  const onEffect = (effect: string) => (effect.includes("switch") ? stop.abort(new Error("stopped")) : undefined);
  const { executor } = inProcessHosts({ onEffect });
  await assert.rejects(runController({ plan, journal, executor, epoch: 1, more: { signal: stop.signal } }), /stopped/);
  const { state } = await replayRun(journal, run);
  const found = { release: "shop", plan, observations: input.observations, run: { run, state } };
  return { result: { ...found, outcome: "waiting", ...waitingFor(run, state) }, left: plan, state, journal, input };
}

/** Beside an open run of its release that the budget let go on without a host. */
async function paused(): Promise<Came> {
  const input = planInput(two);
  const plan = makePlan(input);
  const journal = memoryJournal();
  const other = { stream: runStream("r0"), at: 1, step: "switch.1", host: "h9" };
  await journal.append([
    { ...other, sequence: 1, kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] },
    { ...other, sequence: 2, kind: "host-left-out", reason: "within the failure budget", inBudget: true },
  ]);
  const { executor } = inProcessHosts();
  const beside = () => ({ hosts: ["h9"], runs: ["r0"] });
  const state = await runController({ plan, journal, executor, epoch: 1, more: { beside } });
  const found = { release: "shop", plan, observations: input.observations, run: { run, state } };
  return { result: { ...found, outcome: "waiting", ...waitingFor(run, state) }, left: plan, state, journal, input };
}

interface Row {
  readonly why: string;
  readonly came: () => Came | Promise<Came>;
  readonly state: `${Condition["type"]} ${string}`;
  readonly code: 0 | 2 | 4;
}

const rows: readonly Row[] = [
  { why: "everything is as asked", came: () => driven(two), state: "Ready Converged", code: 0 },
  {
    why: "a slice is done, the rest was not asked for",
    came: () => driven(two, { part: "check" }),
    state: "Reconciling Pending",
    code: 2,
  },
  {
    why: "a slice is done, another host is on hold",
    came: () => driven({ ...two, holds: { h2: "its disk" } }, { part: "check" }),
    state: "Reconciling Pending",
    code: 2,
  },
  {
    why: "a run goes task by task, and every host answers",
    came: () => driven(two, { more: { pace: "one-task" } }),
    state: "Reconciling RunOpen",
    code: 2,
  },
  {
    why: "a gate is closed",
    came: () => driven({ ...two, edits: [{ kind: "gate", name: "look", afterBatch: 1, reason: "graphs" }] }),
    state: "Reconciling GateClosed",
    code: 2,
  },
  {
    why: "a person decides",
    came: () => driven({ ...two, rollbackPolicy: "manual" }, { script: { fails: ({ id }) => (id === "h1/app/health" ? "unhealthy" : undefined) } }), // biome-ignore format: one line
    state: "Reconciling DecisionNeeded",
    code: 4,
  },
  {
    why: "a host fell silent in its switch",
    came: () => driven(two, { script: silence }),
    state: "Reconciling HostUnknown",
    code: 4,
  },
  {
    why: "another run has what it needs",
    came: () => planned(two, claimed),
    state: "Reconciling Claimed",
    code: 2,
  },
  {
    why: "an open run of the release has spent its budget on a host that is silent",
    came: overBudget,
    state: "Reconciling BudgetSpent",
    code: 4,
  },
  {
    why: "its run pauses, since another open run of the release has spent the budget",
    came: paused,
    state: "Reconciling BudgetSpent",
    code: 4,
  },
  {
    why: "the controller of a run was stopped in the middle of it",
    came: interrupted,
    state: "Reconciling RunOpen",
    code: 2,
  },
  {
    why: "nobody has approved its plan",
    came: () => keptBack("ApprovalMissing"),
    state: "Stalled ApprovalMissing",
    code: 4,
  },
  { why: "this very plan failed, and waits for its next try", came: () => keptBack("backing-off"), state: "Stalled backing-off", code: 4 }, // biome-ignore format: one line
  {
    why: "all of its hosts are on hold",
    came: () => planned({ ...two, holds: { h1: "disk", h2: "disk" } }, () => ({ outcome: "stalled" })),
    state: "Stalled Held",
    code: 4,
  },
];

for (const { why, came, state: expected, code } of rows)
  test(`${why}: ${expected}, ${code} by status, plan, reconcile and task list alike`, async () => {
    const { result, left, state, journal, input } = await came();
    const openRuns = journal === undefined ? [] : await readOpenRuns(journal);
    const status = makeStatus({
      ...{ release: input.release, commit: "c".repeat(40), generation: input.generation, plan: result.plan },
      ...{ run: result.run?.run, outcome: result.outcome as "waiting", reason: state?.reason ?? "" },
      trouble: result.trouble,
      task: () => undefined,
      observations: input.observations,
      ...{ quarantined: [], previous: undefined, now: Date.now(), holder: "control", epoch: 1 },
    });
    const said = stateOf(status);
    assert.equal(`${said.type} ${said.reason}`, expected, said.message);
    const reconciled = passExitCode([{ ...result, state: said }]);
    const shown = statusExitCode([currentState(status, { lastRun: undefined, openRuns })], { openRuns });
    assert.deepEqual(
      { status: shown, plan: livePlanExitCode([left], { failed: [], openRuns }), reconcile: reconciled },
      { status: code, plan: code, reconcile: code },
    );
    if (openRuns.length === 0 || state === undefined) return;
    assert.equal(standingExitCode(standingOf(state)), code, "task list and step");
    // Before its status is written, or when nobody could write it, the journal says the same.
    const older = currentState({ ...status, at: 0 }, { lastRun: undefined, openRuns });
    assert.equal(`${older.type} ${older.reason}`, expected);
    assert.equal(statusExitCode([older], { openRuns }), code);
  });
