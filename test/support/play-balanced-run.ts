// Plays a run behind a balancer through the machine alone: what hosts would report, and what each is given under which name.
import assert from "node:assert/strict";
import type { Plan, Step } from "../../src/model/plan.ts";
import type { EventBody } from "../../src/model/run-event.ts";
import type { Task } from "../../src/model/task.ts";
import { targetOf } from "../../src/plan/balancer-steps.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { decide, isStillToRun } from "../../src/run/decide.ts";
import { type Effect, leaveOut } from "../../src/run/effect.ts";
import { reduce } from "../../src/run/machine.ts";
import { initialRunState, type RunState, taskKey } from "../../src/run/run-state.ts";
import { planInput } from "./plan-input.ts";

const run = "r1";

/** Four hosts behind one balancer. */
export function planWith(
  policy: { batchSize: number; failureBudget?: number },
  rollbackPolicy: Plan["rollbackPolicy"] = "auto",
): Plan {
  const out = { name: "out", scope: "host", hasUndo: true, canDryRun: false } as const;
  const world = {
    components: {
      web: { hosts: ["w1", "w2", "w3", "w4"], balancer: "pool/out" },
      pool: { hosts: ["lb"], version: "1.0.0", tasks: [out] },
    },
    ...{ policy: { canaries: 0, ...policy }, rollbackPolicy },
  };
  const fleet = ["w1", "w2", "w3", "w4", "lb"].map((name) => ({ name, address: name, components: name === "lb" ? ["pool"] : ["web"] })); // biome-ignore format: one line
  return makePlan({ ...planInput(world), fleet });
}

export type Report = "done" | "failed" | "unknown";

export interface Told {
  /** `-w1` and `+w1` where it left traffic and came back, `w1` and `undo w1` where it switched. */
  readonly story: readonly string[];
  readonly last: Effect | undefined;
  readonly state: RunState;
  readonly events: readonly EventBody[];
  /** What each host was given under each name, also before. */
  readonly given: ReadonlyMap<string, string>;
}

/** Plays the run; hosts report as told, all tasks before the failing one are done. Ends with a wait or a hold. */
export function play(plan: Plan, report: (step: Step, host: string) => Report = () => "done"): Told {
  return goOn(initialRunState, [{ kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] }], report); // biome-ignore format: one line
}

/** The same from where a run stands, once these things have happened. A host that was waited for and answers now does what it was given. */
export function goOn(
  from: RunState,
  events: readonly EventBody[],
  report: (step: Step, host: string) => Report = () => "done",
  before: ReadonlyMap<string, string> = new Map(),
): Told {
  const story: string[] = [];
  const happened: EventBody[] = [];
  const given = new Map(before);
  let state = from;
  const happen = (event: EventBody) => {
    happened.push(event);
    state = reduce(state, event, run);
  };
  const told = (last: Effect | undefined): Told => ({ story, last, state, events: happened, given });
  const runOn = (step: Step, host: string, isWaitedFor = false) => {
    if (step.traffic !== undefined && !isWaitedFor)
      assert.ok(isStillToRun(state, step, host), `${step.id} on ${host}: the driver would not run it`);
    const said = report(step, host);
    const turn = state.turns.get(`${step.id}/${host}`);
    const all = step.work.find((work) => work.host === host)?.groups.flat() ?? [];
    const tasks = all.filter((task) => turn === undefined || turn.tasks.includes(taskKey(task)));
    const name = `${step.id}${turn === undefined ? "" : `.r${turn.number}`}/${host}`;
    const keys = tasks.map(taskKey).join(", ");
    // A host refuses other tasks under a name that it knows.
    assert.equal(keys, given.get(name) ?? keys, `step-differs: ${name}`);
    if (keys !== "") given.set(name, keys);
    happen({ kind: "submitted", step: step.id, host });
    if (said !== "unknown")
      for (const task of tasks) {
        story.push(...wordOf(task));
        const event = { task: task.id, action: task.action, state: said, durationMs: 1, exitCode: 0, reason: "", evidence: "" }; // biome-ignore format: one line
        happen({ kind: "task", step: step.id, host, event });
      }
    happen({ kind: "host-ended", step: step.id, host, outcome: said, evidence: "" });
  };
  for (const event of events) happen(event);
  for (let turn = 0, effect = decide(state); effect !== undefined && turn < 500; effect = decide(state), turn += 1) {
    if (effect.kind === "start-step") happen({ kind: "step-started", step: effect.step.id });
    else if (effect.kind === "end-step") happen({ kind: "step-ended", step: effect.step.id });
    else if (effect.kind === "end") happen({ kind: "run-ended", outcome: effect.outcome, reason: effect.reason });
    else if (effect.kind === "roll-back")
      happen({
        kind: "rollback-started",
        scope: effect.scope,
        step: effect.step,
        reason: effect.reason,
        by: "cutover",
      });
    else if (effect.kind === "leave-out") for (const event of leaveOut(effect)) happen(event);
    else if (effect.kind === "reopen") for (const event of effect.turns) happen(event);
    else if (effect.kind === "run-step") for (const host of effect.hosts) runOn(effect.step, host);
    else if (effect.kind === "wait" && effect.hosts.some((host) => report(effect.step, host) !== "unknown"))
      for (const host of effect.hosts) runOn(effect.step, host, true);
    else return told(effect);
  }
  return told(undefined);
}

function wordOf(task: Task): string[] {
  const target = targetOf(task);
  if (target !== undefined) return [`${task.action === "do" ? "-" : "+"}${target}`];
  return task.kind === "switch" ? [`${task.action === "do" ? "" : "undo "}${task.host}`] : [];
}

export const isBad =
  (id: string, ...bad: readonly string[]) =>
  (step: Step, host: string): Report =>
    step.id === id && bad.includes(host) ? "failed" : "done";

/** A person has its switch tried again. */
export const again = (step: string, host: string): EventBody => ({ kind: "host-reopened", step, host, turn: 1, tasks: [`${host}/web/switch do`, `${host}/web/health do`], rest: [], by: "p", reason: "mended" }); // biome-ignore format: one line
