// The planner: difference → ordered tasks. Same inputs, byte-identical plan (P12). Pure.
import type { DesiredRelease } from "../model/desired.ts";
import type { Contracts, HostWork, Plan, PlannedChange, Step } from "../model/plan.ts";
import { batchHosts } from "./batch-hosts.ts";
import { compareText, computeDifference, type DifferenceInput, publishedVersion } from "./difference.ts";
import { commitTask, isCommitOnly, makeTask, switchGroups } from "./host-tasks.ts";
import { orderOf } from "./order-edges.ts";
import { orderStacks, type Stack, topologicalOrder } from "./order-stacks.ts";
import { planHash } from "./plan-hash.ts";
import { orderByUnits } from "./unit-order.ts";

export type PlanInput = DifferenceInput & {
  /** Digest of the desired documents; part of the hash, unlike the commit. */
  readonly generation: string;
};

export function makePlan(input: PlanInput): Plan {
  const { release, generation, published } = input;
  const { changes, waiting, held } = computeDifference(input);
  const layers = orderStacks(release.components);
  const moving = new Set(changes.flatMap((change) => (isCommitOnly(change) ? [] : [change.component])));
  const order = orderOf(release.components, moving);
  const { components, findings } = orderByUnits({ components: release.components, observations: input.observations });
  const isOrdered = components !== release.components;
  const ordered = isOrdered ? { ...input, release: { ...release, components } } : input;
  const unitOrder = findings.filter(({ component, after }) => moving.has(component) && moving.has(after));
  return {
    release: release.name,
    changes,
    waiting,
    contracts: contractsOf([...changes, ...waiting], published),
    steps: makeSteps(ordered, { changes, layers: isOrdered ? orderStacks(components) : layers }),
    held,
    ...(order.length === 0 ? {} : { order }),
    ...(unitOrder.length === 0 ? {} : { unitOrder }),
    rollbackPolicy: release.rollbackPolicy,
    failureBudget: release.policy.failureBudget,
    hash: planHash({ plan: { changes, waiting }, release, generation, layers, published }),
  };
}

/** Keys in byte order. */
function contractsOf(changes: readonly PlannedChange[], published: PlanInput["published"]): Contracts {
  const keys = new Set(changes.map(({ component, to }) => `${component}@${to}`));
  const entries = [...published].filter(([key]) => keys.has(key)).sort(([a], [b]) => compareText(a, b));
  return Object.fromEntries(entries.map(([key, { contract }]) => [key, contract]));
}

interface Ordered {
  readonly changes: readonly PlannedChange[];
  readonly layers: readonly (readonly Stack[])[];
}

function makeSteps(input: PlanInput, { changes, layers }: Ordered): Step[] {
  if (changes.length === 0) return [];
  const moving = changes.filter((change) => !isCommitOnly(change));
  const order = topologicalOrder(input.release.components);
  const rank = new Map(order.map((component, index) => [component, index]));
  const rankOf = ({ component }: PlannedChange) => rank.get(component) ?? order.length;
  const sorted = [...changes].sort((a, b) => rankOf(a) - rankOf(b));
  return [
    ...aheadSteps(moving),
    ...switchSteps(input, { changes: sorted.filter((change) => !isCommitOnly(change)), layers }),
    step("commit", {
      kind: "commit",
      phase: "commit",
      work: workOf(sorted, (mine) => [
        mine.map((change) => commitTask(change, publishedVersion(input.published, change.component, change.to))),
      ]),
    }),
  ];
}

/** Everything that needs bytes or time happens ahead, on all hosts; the switch itself moves no data (R9). */
function aheadSteps(moving: readonly PlannedChange[]): Step[] {
  if (moving.length === 0) return [];
  return [
    step("distribute", {
      kind: "distribute",
      phase: "distribute",
      work: workOf(moving, (mine) => [
        mine.map((change) => makeTask(change, "distribute")),
        mine.map((change) => makeTask(change, "build")),
      ]),
    }),
    step("check", {
      kind: "check",
      phase: "check",
      work: workOf(moving, (mine) => [mine.map((change) => makeTask(change, "check"))]),
    }),
  ];
}

function switchSteps(input: PlanInput, { changes: moving, layers }: Ordered): Step[] {
  const steps: Step[] = [];
  for (const layer of layers) {
    for (const batch of batchesOf(layer.flat(), moving, input.release)) {
      const number = steps.length / 2 + 1;
      const work = workOf(batch, (mine) =>
        mine.flatMap((change) => switchGroups(change, publishedVersion(input.published, change.component, change.to))),
      );
      steps.push(step(`switch.${number}`, { kind: "switch", phase: "switch", batch: number, work }));
      steps.push(
        step(`confirm.${number}`, {
          kind: "confirm",
          phase: "switch",
          batch: number,
          work: workOf(batch, (mine) => [mine.map((change) => makeTask(change, "confirm"))]),
          soakSeconds: input.release.policy.soakSeconds,
        }),
      );
    }
  }
  return steps;
}

function batchesOf(
  components: readonly string[],
  moving: readonly PlannedChange[],
  release: DesiredRelease,
): PlannedChange[][] {
  const members = new Set(components);
  const byHost = groupByHost(moving.filter((change) => members.has(change.component)));
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
