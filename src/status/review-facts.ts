// What a review says about one component's step, gathered once from the plan: hosts, batches, bytes, time, way back. Pure.
import type { Plan, PlannedChange, PlannedTransfer } from "../model/plan.ts";
import type { ReleaseReview, StepEstimate } from "../model/review.ts";
import { switchWords } from "./switch-words.ts";

/** All hosts that go from one version of a component to another. */
export interface VersionStep {
  readonly component: string;
  readonly from: string | undefined;
  readonly to: string;
  readonly hosts: readonly string[];
  /** Hosts of `hosts` that are intended, but left alone today. */
  readonly waiting: number;
  /** Strategy and declared grade. */
  readonly switches: readonly string[];
  /** Numbers of the switch batches, ascending; empty when nothing switches. */
  readonly batches: readonly number[];
  readonly transfers: readonly PlannedTransfer[];
  readonly estimate: StepEstimate | undefined;
  readonly deadlineSeconds: number;
  readonly restoresBackup: boolean;
  /** The version runs there already and only waits to be committed. */
  readonly commitOnly: boolean;
}

/** What the release asks for, whether or not a host can be reached today. */
export function intendedChanges({ changes, waiting }: Plan): PlannedChange[] {
  return [...changes, ...waiting];
}

/** In order of batches; what switches nowhere comes last. */
export function versionSteps({ plan, estimates }: ReleaseReview): VersionStep[] {
  const { batchOf, backups } = readTasks(plan);
  const waiting = new Set(plan.waiting);
  const groups = Map.groupBy(intendedChanges(plan), keyOf);
  const transfers = Map.groupBy(plan.transfers ?? [], keyOf);
  const costs = new Map(estimates.map((estimate) => [keyOf(estimate), estimate]));
  const steps = [...groups].flatMap(([key, group]): VersionStep[] => {
    const [first] = group;
    if (first === undefined) return [];
    const batches = new Set(group.flatMap(({ component, host }) => batchOf.get(`${component}\0${host}`) ?? []));
    return [
      {
        component: first.component,
        from: first.from,
        to: first.to,
        hosts: group.map(({ host }) => host),
        waiting: group.filter((change) => waiting.has(change)).length,
        switches: [...new Set(group.map(switchWords))],
        batches: [...batches].sort((a, b) => a - b),
        transfers: transfers.get(key) ?? [],
        estimate: costs.get(key),
        deadlineSeconds: group.reduce((longest, { deadlineSeconds }) => Math.max(longest, deadlineSeconds), 0),
        restoresBackup: backups.has(first.component),
        commitOnly: group.every(({ from, to, fromTree, toTree }) => from === to && fromTree === toTree),
      },
    ];
  });
  return steps.sort((a, b) => (a.batches[0] ?? Number.MAX_VALUE) - (b.batches[0] ?? Number.MAX_VALUE));
}

/** Undefined while a part of it is not known. */
export function totalBytes(steps: readonly VersionStep[]): number | undefined {
  const parts = steps.flatMap(({ transfers }) => transfers.map(transferBytes));
  if (steps.some(({ transfers, commitOnly }) => transfers.length === 0 && !commitOnly)) return undefined;
  return parts.some((part) => part === undefined)
    ? undefined
    : parts.reduce<number>((sum, part) => sum + (part ?? 0), 0);
}

export function transferBytes({ path, bytesPerHost, hosts }: PlannedTransfer): number | undefined {
  if (path === "present") return 0;
  return bytesPerHost === undefined ? undefined : bytesPerHost * hosts.length;
}

/** The known seconds, and how many steps have no history. */
export function totalTime(steps: readonly VersionStep[]): { readonly seconds: number; readonly unknown: number } {
  const seconds = steps.map(({ estimate }) => estimate?.seconds);
  return {
    seconds: seconds.reduce<number>((sum, part) => sum + (part ?? 0), 0),
    unknown: seconds.filter((part) => part === undefined).length,
  };
}

function readTasks({ steps }: Plan) {
  const batchOf = new Map<string, number>();
  const backups = new Set<string>();
  for (const { kind, batch, work } of steps) {
    if (kind !== "switch") continue;
    for (const { groups } of work) {
      for (const { component, host, kind } of groups.flat()) {
        if (kind === "switch") batchOf.set(`${component}\0${host}`, batch);
        if (kind === "backup") backups.add(component);
      }
    }
  }
  return { batchOf, backups };
}

function keyOf({
  component,
  from,
  to,
}: {
  readonly component: string;
  readonly from: string | undefined;
  readonly to: string;
}) {
  return [component, from ?? "", to].join("\0");
}
