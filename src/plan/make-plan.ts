// The planner: difference → ordered tasks. Same inputs, byte-identical plan (P12). Pure.
import type { DesiredRelease } from "../model/desired.ts";
import type { HostWork, Plan, PlannedChange, PlannedPath, Step, TaskGroup } from "../model/plan.ts";
import { isSwitching, type Procedure, type ProcedurePhase, plainProcedure } from "../model/procedure.ts";
import { applyEdits } from "./apply-edits.ts";
import { type BalancerInput, withBalancers } from "./balancer-steps.ts";
import { batchHosts } from "./batch-hosts.ts";
import { checkEdits } from "./check-edits.ts";
import { compareText, computeDifference, type DifferenceInput, publishedVersion } from "./difference.ts";
import { commitTask, hookGroups, isCommitOnly, makeTask } from "./host-tasks.ts";
import { hostSwitchGroups } from "./long-drains.ts";
import { type OnceSteps, onceSteps } from "./once-steps.ts";
import { orderOf } from "./order-edges.ts";
import { orderStacks, type Stack, topologicalOrder } from "./order-stacks.ts";
import { type LabelsOf, phasesOfChanges, refuseBrokenOrder } from "./phases-of-changes.ts";
import { planHash } from "./plan-hash.ts";
import { planNeeds } from "./plan-needs.ts";
import { withRestorePoint } from "./restore-point.ts";
import { orderByUnits, turnedByPhases } from "./unit-order.ts";

export type PlanInput = DifferenceInput & {
  /** Digest of the desired documents; part of the hash, unlike the commit. */
  readonly generation: string;
  /** The plain one when left out: all hosts alike. */
  readonly procedure?: Procedure;
  /** Labels of hosts, which phases choose by. */
  readonly labelsOf?: LabelsOf;
  /** What `takePaths` found on the way to this release: shown with the plan. */
  readonly paths?: readonly PlannedPath[];
  /** Where balancers are, and how they know hosts; needed only where a contract has the strategy `balancer`. */
  readonly fleet?: BalancerInput["fleet"];
};

export function makePlan(input: PlanInput): Plan {
  const { release, generation, published } = input;
  const difference = computeDifference(input);
  const { changes, waiting, held } = difference;
  checkEdits(release, difference);
  const layers = orderStacks(release.components);
  const moving = new Set(changes.flatMap((change) => (isCommitOnly(change) ? [] : [change.component])));
  const order = orderOf(release.components, moving);
  const isTurned = turnedByPhases(() => phasesOf(input, changes));
  const { components, findings } = orderByUnits({ ...release, observations: input.observations, isTurned });
  const isOrdered = components !== release.components;
  const ordered = isOrdered ? { ...input, release: { ...release, components } } : input;
  const unitOrder = findings.filter(({ component, after }) => moving.has(component) && moving.has(after));
  const unitLayers = isOrdered ? orderStacks(components) : layers;
  const made = makeSteps(ordered, { changes, layers: unitLayers, declared: release });
  const { steps: edited, edits } = applyEdits(ordered.release, made);
  const saved = withRestorePoint(edited, { ...input, changes, held });
  const steps = withBalancers(saved, { ...input, changes });
  const isSaved = steps.some(({ kind }) => kind === "restore-point");
  return {
    release: release.name,
    changes,
    waiting,
    ...publishedParts([...changes, ...waiting], published),
    steps,
    needs: planNeeds(changes, ordered),
    held,
    ...(edits === undefined ? {} : { edits }),
    ...(input.paths === undefined || input.paths.length === 0 ? {} : { paths: input.paths }),
    ...(order.length === 0 ? {} : { order }),
    ...(unitOrder.length === 0 ? {} : { unitOrder }),
    ...(isSaved && release.restorePoint !== undefined ? { restorePoint: release.restorePoint } : {}),
    rollbackPolicy: release.rollbackPolicy,
    failureBudget: release.policy.failureBudget,
    hash: planHash({ plan: { changes, waiting }, release, generation, layers, published }),
  };
}

/** What the versions were when this was planned. Keys in byte order. */
function publishedParts(
  changes: readonly PlannedChange[],
  published: PlanInput["published"],
): Pick<Plan, "contracts" | "bundles"> {
  const keys = new Set(
    changes.flatMap(({ component, to, further = [] }) =>
      [to, ...further.map(({ version }) => version)].map((version) => `${component}@${version}`),
    ),
  );
  const entries = [...published].filter(([key]) => keys.has(key)).sort(([a], [b]) => compareText(a, b));
  const bundles = entries.flatMap(([key, { bundleFiles }]) => (bundleFiles === undefined ? [] : [[key, bundleFiles]]));
  return {
    contracts: Object.fromEntries(entries.map(([key, { contract }]) => [key, contract])),
    ...(bundles.length === 0 ? {} : { bundles: Object.fromEntries(bundles) }),
  };
}

interface Ordered {
  readonly changes: readonly PlannedChange[];
  readonly layers: readonly (readonly Stack[])[];
}

const noLabels: LabelsOf = () => ({});

function phasesOf({ procedure = plainProcedure, labelsOf = noLabels }: PlanInput, changes: Ordered["changes"]) {
  const moving = changes.filter((change) => !isCommitOnly(change));
  return phasesOfChanges(procedure, moving, labelsOf);
}

/** `declared`: the release without what hosts' units add to its order. */
function makeSteps(input: PlanInput, { changes, layers, declared }: Ordered & { declared: DesiredRelease }): Step[] {
  if (changes.length === 0) return [];
  const { procedure = plainProcedure, release } = input;
  const order = topologicalOrder(release.components);
  const rank = new Map(order.map((component, index) => [component, index]));
  const rankOf = ({ component }: PlannedChange) => rank.get(component) ?? order.length;
  const sorted = [...changes].sort((a, b) => rankOf(a) - rankOf(b));
  const phased = phasesOf(input, sorted);
  refuseBrokenOrder(phased, declared);
  const onceTasks = onceSteps(input, phased);
  const steps: Step[] = [];
  let batches = 0;
  for (const phase of procedure.phases) {
    const mine = phased.find((each) => each.phase === phase)?.changes;
    if (mine !== undefined) {
      const switches = switchSteps(input, { phase, changes: mine, layers, batches, onceTasks });
      batches += switches.filter(({ kind }) => kind === "switch").length;
      steps.push(...switches);
    } else if (!isSwitching(phase)) steps.push(...wholeSteps(input, { phase, changes, sorted, onceTasks }));
  }
  return steps;
}

interface WholePhase {
  readonly phase: ProcedurePhase;
  /** By host, then component; and the same with dependencies first. */
  readonly changes: readonly PlannedChange[];
  readonly sorted: readonly PlannedChange[];
  readonly onceTasks: OnceSteps;
}

/**
 * What all hosts do at once. Everything that needs bytes or time happens ahead, on all of them; the switch itself moves no
 * data (R9). What cannot be told apart by a person, such as building what was just brought, is one step.
 */
function wholeSteps(input: PlanInput, { phase, changes, sorted, onceTasks }: WholePhase): Step[] {
  const isMoving = (change: PlannedChange) => !isCommitOnly(change);
  const moving = changes.filter(isMoving);
  const versionOf = ({ component, to }: PlannedChange) => publishedVersion(input.published, component, to);
  const stepFor = (kind: "distribute" | "check", words: readonly ("distribute" | "build" | "check")[]): Step[] => {
    if (moving.length === 0) return [];
    const work = workOf(moving, (mine) => words.map((word) => mine.map((change) => makeTask(change, word))));
    return [step(kind, { kind, phase: phase.name, work })];
  };
  return phase.tasks.flatMap((word): Step[] => {
    switch (word) {
      case "distribute":
        return phase.tasks.includes("build") ? stepFor("distribute", ["distribute", "build"]) : stepFor(word, [word]);
      case "build":
        return phase.tasks.includes("distribute") ? [] : stepFor("distribute", ["build"]);
      case "check":
        return stepFor("check", ["check"]);
      case "prepare":
      case "finish": {
        const inOrder = sorted.filter(isMoving);
        const work = workOf(inOrder, (mine) => mine.flatMap((change) => hookGroups(change, versionOf(change), word)));
        const some = work.filter(({ groups }) => groups.length > 0);
        const host = some.length === 0 ? [] : [step(word, { kind: "task", phase: phase.name, work: some })];
        return [...host, ...onceTasks({ phase, at: word, changes: moving })];
      }
      case "commit": {
        const work = workOf(sorted, (mine) => [
          ...backInService(mine),
          mine.map((change) => commitTask(change, versionOf(change))),
        ]);
        return [step("commit", { kind: "commit", phase: phase.name, work })];
      }
      default:
        return [];
    }
  });
}

/** What moves is drained and brought back by its own switch; what only waits for a commit has no other task. */
function backInService(changes: readonly PlannedChange[]): TaskGroup[] {
  const left = changes.filter((change) => change.drainedBy !== undefined && isCommitOnly(change));
  return left.length === 0 ? [] : [left.map((change) => makeTask(change, "drain", { action: "undo" }))];
}

interface SwitchPhase extends Ordered {
  readonly phase: ProcedurePhase;
  /** Of the phases before. */
  readonly batches: number;
  readonly onceTasks: OnceSteps;
}

function switchSteps(
  { published, release }: PlanInput,
  { phase, changes, layers, batches, onceTasks }: SwitchPhase,
): Step[] {
  const steps: Step[] = [];
  let number = batches;
  for (const layer of layers) {
    const members = new Set(layer.flat());
    const mine = changes.filter(({ component }) => members.has(component));
    if (mine.length === 0) continue;
    steps.push(...onceTasks({ phase, at: "before-switch", changes: mine }));
    for (const batch of batchesOf(mine, release)) {
      number += 1;
      const versionOf = ({ component, to }: PlannedChange) => publishedVersion(published, component, to);
      const work = workOf(batch, (own) => hostSwitchGroups(own, versionOf, phase.tasks));
      steps.push(step(`switch.${number}`, { kind: "switch", phase: phase.name, batch: number, work }));
      steps.push(
        step(`confirm.${number}`, {
          kind: "confirm",
          phase: phase.name,
          batch: number,
          work: workOf(batch, (own) => [own.map((change) => makeTask(change, "confirm"))]),
          soakSeconds: release.policy.soakSeconds,
        }),
      );
    }
    steps.push(...onceTasks({ phase, at: "after-switch", changes: mine }));
  }
  return steps;
}

function batchesOf(moving: readonly PlannedChange[], release: DesiredRelease): PlannedChange[][] {
  const byHost = groupByHost(moving);
  const batches = batchHosts([...byHost.keys()], release.policy);
  return batches.map((batch) => batch.flatMap((host) => byHost.get(host) ?? []));
}

function workOf(
  changes: readonly PlannedChange[],
  groups: (mine: readonly PlannedChange[]) => HostWork["groups"],
): HostWork[] {
  return [...groupByHost(changes)].map(([host, mine]) => ({ host, groups: groups(mine) }));
}

/** Hosts in byte order; the changes of one keep their order. */
function groupByHost(changes: readonly PlannedChange[]): Map<string, PlannedChange[]> {
  const groups = Map.groupBy(changes, ({ host }) => host);
  return new Map([...groups].sort(([a], [b]) => compareText(a, b)));
}

function step(id: string, parts: Pick<Step, "kind" | "phase" | "work"> & Partial<Step>): Step {
  return { id, batch: 0, soakSeconds: 0, ...parts };
}
