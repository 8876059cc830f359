// What was seen so far, kept for the promises: each of them asks the past as well as the moment. Written at every fact, after
// the checks had their look.
import type { DesiredRelease } from "../model/desired.ts";
import type { Plan, Step } from "../model/plan.ts";
import type { JournalEvent } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import type { Fact } from "./fact.ts";
import type { Scenario } from "./scenario.ts";

export interface RunHistory {
  readonly plan: Plan;
  /** `task version` of everything planned. */
  readonly tasks: ReadonlySet<string>;
  readonly steps: ReadonlyMap<string, Step>;
  readonly leftOut: Set<string>;
  /** Those of them that an operator held. */
  readonly held: Set<string>;
  /** By `step/host`, with the moment at which the journal had it. */
  readonly outcomes: Map<string, { readonly outcome: string; readonly at: number }>;
  /** Of those, switches and their confirmations that are not done, by `step/host`. */
  readonly badSwitches: Map<string, { readonly host: string; readonly outcome: string; readonly at: number }>;
  /** Version that a change brings, by `host/component`. */
  readonly targets: ReadonlyMap<string, string>;
  /** Hosts and steps that a controller began to hand over, by `step/host`. */
  readonly sent: Set<string>;
  /** By task, the newest word of the journal. */
  readonly states: Map<string, string>;
  /** Tasks that an operator goes on without. */
  readonly skipped: Set<string>;
  /** Steps of gates that somebody opened. */
  readonly opened: Set<string>;
  isRollingBack: boolean;
  /** All of it, not only a batch. */
  isTakenBack: boolean;
  hasEnded: boolean;
}

export interface History {
  readonly scenario: Scenario;
  /** By `disk run`. */
  readonly runs: Map<string, RunHistory>;
  /** By host: the highest fence it accepted, and the runs of that epoch. */
  readonly fences: Map<string, { epoch: number; holder: string; runs: Set<string> }>;
  /** By `host run step task action`: how often it began. */
  readonly begun: Map<string, number>;
  /** By `host run step task action`: how it ended on the host itself. */
  readonly ended: Map<string, string>;
  /** By `host run task`: the newest that the host itself did with it, whoever asked for that. */
  readonly last: Map<string, { readonly action: string; readonly state: string }>;
  /** By `host component`: versions that were committed there, and by which run. */
  readonly commits: Map<string, string>;
  /** By `disk component@tree`: a quarantine is in the journal. */
  readonly quarantined: Set<string>;
  /** By `disk component@version`: a run saw it fail, by its own fault. */
  readonly shownBad: Map<string, string>;
  /** Hosts and components that somebody changed by hand. */
  readonly tampered: Set<string>;
  /** By `host component`: the newest check found other bytes than were signed, and the run said so. */
  readonly damageTold: Set<string>;
  /** By `run host`: the run ended stuck because its way back failed on that host, and said so; a person may ask for it again. */
  readonly stuckWaysBack: Set<string>;
  /** By disk and release, or part of one, the newest plan: what it left alone, and what it means to do later. */
  readonly newest: Map<string, Map<string, Pick<Plan, "held" | "waiting">>>;
  /** By `disk host component`: the run that was handed something over there last. */
  readonly writers: Map<string, string>;
  /** Plans, as text, that were made again from the same inputs in another order. */
  readonly plansTurned: Set<string>;
  /** Runs that were planned. */
  plannedRuns: number;
}

export function makeHistory(scenario: Scenario): History {
  return {
    scenario,
    runs: new Map(),
    fences: new Map(),
    begun: new Map(),
    ended: new Map(),
    last: new Map(),
    commits: new Map(),
    quarantined: new Set(),
    shownBad: new Map(),
    tampered: new Set(),
    damageTold: new Set(),
    stuckWaysBack: new Set(),
    newest: new Map(),
    writers: new Map(),
    plansTurned: new Set(),
    plannedRuns: 0,
  };
}

/** Written here on its own, so that a word that the engine forgets is missed. */
const badness: ReadonlySet<string> = new Set([
  "unhealthy",
  "not-ready",
  "new-version-died",
  "crash-loop",
  "start-failed",
]);

export const taskKey = ({ id, version }: Pick<Task, "id" | "version">): string => `${id} ${version}`;

export function remember(history: History, now: number, fact: Fact): void {
  switch (fact.kind) {
    case "journaled":
      rememberEvent(history, now, fact);
      return;
    case "fenced": {
      const { host, fence } = fact;
      const before = history.fences.get(host.name);
      if (before?.epoch === fence.epoch && before.holder === fence.holder) before.runs.add(fence.run);
      else if (fence.epoch >= (before?.epoch ?? 0))
        history.fences.set(host.name, { epoch: fence.epoch, holder: fence.holder, runs: new Set([fence.run]) });
      return;
    }
    case "task": {
      const { host, step, event } = fact;
      const key = `${host.name} ${step.run} ${step.step} ${event.task} ${event.action}`;
      if (event.state !== "skipped") history.last.set(`${host.name} ${step.run} ${event.task}`, event);
      if (event.state === "running") history.begun.set(key, (history.begun.get(key) ?? 0) + 1);
      else history.ended.set(key, event.state);
      return;
    }
    case "changed": {
      const { host, component } = fact;
      if (component.committed !== undefined)
        history.commits.set(`${host.name} ${component.name}`, component.committed.version);
      return;
    }
    case "planned": {
      const plans = history.newest.get(fact.disk) ?? new Map();
      history.newest.set(fact.disk, plans.set(partOf(fact.input.release), fact.plan));
      return;
    }
    case "submitted": {
      const { host, step } = fact;
      const disk = diskOf(history, step.run);
      for (const { component } of step.groups.flat())
        history.writers.set(`${disk} ${host.name} ${component}`, step.run);
      return;
    }
    case "sent":
      history.runs.get(`${fact.disk} ${fact.fence.run}`)?.sent.add(`${fact.step}/${fact.host}`);
      return;
    default:
      return;
  }
}

type Journaled = Extract<Fact, { kind: "journaled" }>;

function rememberEvent(history: History, now: number, { disk, event }: Journaled): void {
  if (event.kind === "run-planned") {
    history.plannedRuns += 1;
    history.runs.set(`${disk} ${runOf(event)}`, makeRunHistory(event.plan));
    return;
  }
  if (event.kind === "quarantined") history.quarantined.add(`${disk} ${event.component}@${event.tree}`);
  const run = history.runs.get(`${disk} ${runOf(event)}`);
  if (run === undefined) return;
  switch (event.kind) {
    case "task": {
      const { task, action, state, reason } = event.event;
      run.states.set(`${task} ${action}`, state);
      const [host, component = "", name] = task.split("/");
      if (name === "check" && reason === "verify-failed") history.damageTold.add(`${host} ${component}`);
      if (name === "check" && state === "done") history.damageTold.delete(`${host} ${component}`);
      const to = run.targets.get(`${host}/${component}`);
      if (to !== undefined && action === "do" && state === "failed" && badness.has(reason))
        history.shownBad.set(`${disk} ${component}@${to}`, runOf(event));
      return;
    }
    case "host-ended": {
      const { step, host, outcome } = event;
      const place = `${step}/${host}`;
      run.outcomes.set(place, { outcome, at: now });
      if (!["switch", "confirm"].includes(run.steps.get(step)?.kind ?? "")) return;
      if (outcome === "done") run.badSwitches.delete(place);
      else run.badSwitches.set(place, { host, outcome, at: now });
      return;
    }
    case "host-left-out":
      run.leftOut.add(event.host);
      if (event.reason === holdReason) run.held.add(event.host);
      return;
    case "gate-opened":
      run.opened.add(event.step);
      return;
    case "task-skipped":
      run.skipped.add(event.task);
      return;
    case "host-reopened":
      // A person looked at what failed, and wants it tried again.
      for (const key of event.by === "cutover" ? [] : event.tasks)
        history.shownBad.delete(`${disk} ${key.split("/")[1]}@${run.targets.get(key.split("/", 2).join("/"))}`);
      run.outcomes.delete(`${event.step}/${event.host}`);
      run.badSwitches.delete(`${event.step}/${event.host}`);
      return;
    case "rollback-started":
      // In traffic it is another way back, with steps of its own: how the one before it went says nothing of that.
      for (const place of event.inTraffic && run.isRollingBack ? [...run.outcomes.keys()] : [])
        if (place.startsWith("rollback.")) run.outcomes.delete(place);
      run.isRollingBack = true;
      run.isTakenBack ||= event.scope === "release";
      return;
    case "run-ended":
      run.hasEnded = true;
      if (run.isRollingBack && event.outcome === "stuck")
        for (const [place, { outcome }] of run.outcomes)
          if (place.startsWith("rollback.") && outcome === "failed")
            history.stuckWaysBack.add(`${runOf(event)} ${place.slice(place.lastIndexOf("/") + 1)}`);
      return;
    default:
      return;
  }
}

function partOf({ name, components }: DesiredRelease): string {
  return `${name}: ${components.map((component) => component.name).join(", ")}`;
}

/** The controller whose journal has the run; ids of runs are given once in a world. */
export function diskOf({ runs }: History, run: string): string | undefined {
  return [...runs.keys()].find((key) => key.endsWith(` ${run}`))?.split(" ")[0];
}

/** What simulated operators say. */
export const holdReason = "simulated";

/** The step of the plan behind what a host knows it by: another turn, another try of a restore point, the full artifact after a patch. */
export const plannedStep = (submission: string): string => submission.replace(/(\.[rp]\d+)?(\.full)?$/, "");

export const runOf = ({ stream }: JournalEvent): string => stream.replace(/^run\//, "");

function makeRunHistory(plan: Plan): RunHistory {
  const tasks = plan.steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  return {
    plan,
    tasks: new Set(tasks.map(taskKey)),
    steps: new Map(plan.steps.map((step) => [step.id, step])),
    leftOut: new Set(),
    held: new Set(),
    outcomes: new Map(),
    badSwitches: new Map(),
    targets: new Map(plan.changes.map(({ host, component, to }) => [`${host}/${component}`, to])),
    sent: new Set(),
    states: new Map(),
    skipped: new Set(),
    opened: new Set(),
    isRollingBack: false,
    isTakenBack: false,
    hasEnded: false,
  };
}
