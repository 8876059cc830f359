// A run with balancers, drains and backups in which hosts fail and fall silent, and people run, undo, retry and skip single tasks, hold
// hosts and take all of it back at any time. The pure machine is asked for everything; what happened on hosts is kept apart from it.
import type { Plan, Step } from "../../src/model/plan.ts";
import type { EventBody } from "../../src/model/run-event.ts";
import type { Task, TaskEvent } from "../../src/model/task.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { stepAtWork } from "../../src/run/at-work.ts";
import { leftOfStep } from "../../src/run/by-hand.ts";
import { decide, isStillToRun } from "../../src/run/decide.ts";
import { leaveOut } from "../../src/run/effect.ts";
import { leaveOutHeld } from "../../src/run/leave-out-held.ts";
import { reduce } from "../../src/run/machine.ts";
import { initialRunState, type RunState, taskKey } from "../../src/run/run-state.ts";
import { nextByHand, tryAgain } from "../../src/run/try-again.ts";
import { readBacksByHand } from "../../src/run/unread.ts";
import { makeRandom, type Random } from "../../src/simulate/random.ts";
import { planInput } from "./plan-input.ts";
import { planWith } from "./play-balanced-run.ts";

export interface Played {
  readonly events: readonly EventBody[];
  /** What broke, in one sentence; undefined when nothing did. */
  readonly trouble: string | undefined;
}

const run = "r1";
const hook = { name: "convert", at: "before-switch", scope: "host", hasUndo: true, canDryRun: true } as const;
const lasting: readonly Task["kind"][] = ["hook", "drain", "switch", "backup"];

function randomPlan(random: Random): Plan {
  const rollbackPolicy = random.pick(["manual", "release"] as const);
  const failureBudget = random.below(2);
  if (random.chance(2)) return planWith({ batchSize: 2, failureBudget }, rollbackPolicy);
  const components = { app: { hosts: ["h1", "h2", "h3", "h4"], tasks: [hook], drain: true, backup: true } };
  return makePlan(planInput({ components, policy: { canaries: random.below(2), batchSize: 2, failureBudget }, rollbackPolicy })); // biome-ignore format: one line
}

/** Until the run ends, waits for nothing but people who have had enough of it, or breaks. Deterministic. */
export async function playRandomHands(seed: number): Promise<Played> {
  const random = makeRandom(seed, "hands");
  const told = makeWorld(randomPlan(random), random);
  for (let turn = 0, patience = 40; turn < 400 && patience > 0; turn += 1) {
    const { state } = told;
    const effect = decide(state);
    if (effect === undefined) return { events: told.events, trouble: told.lie() };
    const held = random.chance(12) ? leaveOutHeld(state, someHold(state, random)) : [];
    told.happen(...held);
    if (held.length > 0) continue;
    if (turn > 3 && random.chance(60)) {
      told.happen({ kind: "rollback-started", scope: "release", reason: "-", by: "ann", ...(random.chance(2) ? { inTraffic: true } : {}) }); // biome-ignore format: one line
      continue;
    }
    const wish = random.chance(10) && turn > 3 ? someTask(state, random) : undefined;
    if (wish !== undefined) act(told, wish, random);
    else if (effect.kind === "start-step") told.happen({ kind: "step-started", step: effect.step.id });
    else if (effect.kind === "end-step") told.happen({ kind: "step-ended", step: effect.step.id });
    else if (effect.kind === "end") told.happen({ kind: "run-ended", outcome: effect.outcome, reason: effect.reason });
    else if (effect.kind === "roll-back")
      told.happen({ kind: "rollback-started", scope: effect.scope, step: effect.step, reason: effect.reason, by: "cutover" }); // biome-ignore format: one line
    else if (effect.kind === "leave-out") told.happen(...leaveOut(effect));
    else if (effect.kind === "reopen") {
      patience -= 1;
      told.happen(...effect.turns);
    } else if (effect.kind === "run-step") {
      const able = effect.hosts.filter((host) => isStillToRun(state, effect.step, host));
      if (able.length === 0) return { events: told.events, trouble: `comes no further: ${effect.step.id}` };
      for (const host of able) if (isStillToRun(told.state, effect.step, host)) told.report(effect.step, host, answer(random)); // biome-ignore format: one line
    } else if (effect.kind === "wait") {
      for (const host of effect.hosts) told.report(effect.step, host, random.chance(3) ? "unknown" : "done");
    } else if (effect.kind === "pause") {
      return { events: told.events, trouble: `waits for other runs, and there is none: ${effect.reason}` };
    } else {
      patience -= 1;
      const free = effect.hosts.filter((host) => stepAtWork(state, host, effect.step) === undefined);
      const unread = readBacksByHand(state);
      const [first, ...others] = free;
      if (first !== undefined) await retry(told, { step: effect.step, host: random.pick([first, ...others]) }, random);
      // Two steps of one balancer, one failed and one silent, leave a rollback, which is accepted at any time.
      else if (effect.step.traffic !== undefined) return { events: told.events, trouble: undefined };
      else if (unread.length === 0)
        return { events: told.events, trouble: `waits for a person, and every verb is refused: ${effect.reason}` }; // biome-ignore format: one line
      else for (const { step, hosts } of unread) for (const host of hosts) told.report(step, host, "done");
    }
  }
  return { events: told.events, trouble: undefined };
}

type Answer = "done" | "failed" | "unknown";

function answer(random: Random): Answer {
  return random.pick(["failed", "unknown", ...Array.from({ length: 10 }, () => "done" as const)]);
}

interface World {
  readonly state: RunState;
  readonly events: EventBody[];
  happen(...events: readonly EventBody[]): void;
  /** The host does what it was handed of this step, and tells how it went. */
  report(step: Step, host: string, how: Answer): void;
  /** How the end of the run differs from what hosts did. */
  lie(): string | undefined;
}

function makeWorld(plan: Plan, random: Random): World {
  const events: EventBody[] = [];
  /** By task, the newest that its host did. */
  const truth = new Map<string, Task["action"]>();
  let state = reduce(initialRunState, { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] }, run); // biome-ignore format: one line
  const happen = (...news: readonly EventBody[]) => {
    for (const event of news) {
      if (event.kind === "task" && event.event.state === "done") truth.set(event.event.task, event.event.action);
      events.push(event);
      state = reduce(state, event, run);
    }
  };
  return {
    get state() {
      return state;
    },
    events,
    happen,
    report(step, host, how) {
      const turn = state.turns.get(`${step.id}/${host}`);
      const all = step.work.find((work) => work.host === host)?.groups.flat() ?? [];
      const tasks = all.filter((task) => turn === undefined || turn.tasks.includes(taskKey(task)));
      happen({ kind: "submitted", step: step.id, host });
      const fails = how === "failed" ? Math.floor(tasks.length / 2) : tasks.length;
      // Some of it may have been heard of before the link was lost.
      const heard = how === "unknown" && random.chance(2) ? random.below(tasks.length + 1) : 0;
      happen(...tasks.slice(0, heard).map((task) => said(step, task, "done")));
      if (how !== "unknown") happen(...tasks.map((task, at) => said(step, task, at < fails ? "done" : at === fails ? "failed" : "skipped"))); // biome-ignore format: one line
      happen({ kind: "host-ended", step: step.id, host, outcome: how, evidence: "" });
    },
    lie() {
      const { outcome, rollback, skipped } = state;
      const isWhole = events.some((event) => event.kind === "rollback-started" && event.scope === "release");
      if (outcome !== "done" && !(outcome === "rolled-back" && rollback !== undefined && isWhole)) return undefined;
      const wanted = outcome === "done" ? "do" : "undo";
      const wrong = [...truth].filter(([id, action]) => /\/(switch|convert)$/.test(id) && action !== wanted && !skipped.has(id)); // biome-ignore format: one line
      return wrong.length === 0 ? undefined : `${outcome}, though the newest of ${wrong.map(([id, action]) => `${id} is ${action}`).join(", ")}`; // biome-ignore format: one line
    },
  };
}

function said(step: Step, task: Task, state: TaskEvent["state"]): EventBody {
  const event = { task: task.id, action: task.action, state, durationMs: 1, exitCode: 0, reason: "", evidence: "" };
  return { kind: "task", step: step.id, host: task.host, event };
}

/** Somebody holds one of its hosts. */
function someHold({ plan }: RunState, random: Random): ReadonlyMap<string, string> {
  const [first = "", ...others] = new Set(plan?.steps.flatMap(({ work }) => work.map(({ host }) => host)));
  return new Map([[random.pick([first, ...others]), "burnt"]]);
}

/** Of a step that has begun, on a host that nobody works on. */
function someTask(state: RunState, random: Random): Task | undefined {
  if (state.rollback !== undefined) return undefined;
  const begun = (state.plan?.steps ?? []).filter(({ id }) => state.startedSteps.has(id));
  const tasks = begun.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  const [first, ...others] = tasks.filter(({ kind, host }) => lasting.includes(kind) && !state.leftOut.has(host) && stepAtWork(state, host) === undefined); // biome-ignore format: one line
  return first === undefined ? undefined : random.pick([first, ...others]);
}

/** All that is journaled of one task that is asked for by itself; of one whose answer is lost nothing ends it. */
function act(world: World, task: Task, random: Random): void {
  const own: Task = { ...task, action: random.pick(["do", "undo"]) };
  const step: Step = { id: nextByHand(world), kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host: task.host, groups: [[own]] }] }; // biome-ignore format: one line
  const how = random.pick<Answer>(["done", "done", "failed", "unknown"]);
  world.happen({ kind: "step-added", step, by: "ann", reason: "-" }, { kind: "step-started", step: step.id });
  world.report(step, task.host, how);
}

/** A host that is asked says that nothing of this run is on trial there. Now and then its first task that may be skipped is. */
async function retry(
  world: World,
  asked: { readonly step: Step; readonly host: string },
  random: Random,
): Promise<void> {
  const { host } = asked;
  const step = world.state.plan?.steps.find(({ id }) => id === asked.step.id);
  if (step === undefined) return;
  const [skipped] = leftOfStep(world.state, step, host).flatMap((key) => /^(.*\/(?:convert|drain|backup|health)) do$/.exec(key)?.[1] ?? []); // biome-ignore format: one line
  if (skipped !== undefined && random.chance(4))
    world.happen({ kind: "task-skipped", task: skipped, by: "ann", reason: "-", signature: "-" });
  const { state, events, happen } = world;
  const { undo, turns } = await tryAgain({ run, state, events, step, host, observe: async () => [], hasUndo: async () => true, by: "ann", reason: "-" }); // biome-ignore format: one line
  happen(...undo, ...turns);
}
