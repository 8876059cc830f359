// What a plan is expected to take, from how long the last run took on its hosts. For people; nothing is decided by it. Pure.
import type { Plan, PlannedChange, Step } from "../model/plan.ts";
import type { StepEstimate } from "../model/review.ts";
import { soaksOf } from "../model/soaks.ts";
import type { ComponentTiming } from "../model/status.ts";

export interface EstimateInput {
  readonly plan: Plan;
  readonly timings: readonly ComponentTiming[];
  /** Hosts that are worked on at the same time. */
  readonly concurrency: number;
}

/** One entry for each component and version step, those that wait included; seconds of what can be done now. */
export function estimateSteps({ plan, timings, concurrency }: EstimateInput): StepEstimate[] {
  const moving = [...plan.changes, ...plan.waiting].filter(
    ({ from, to, fromTree, toTree }) => from !== to || fromTree !== toTree,
  );
  const groups = Map.groupBy(moving, ({ component, from, to }) => JSON.stringify([component, from ?? null, to]));
  const history = new Map(timings.map((timing) => [timing.component, timing]));
  const batches = batchesOf(plan.steps);
  const now = new Set(plan.changes);
  return [...groups.values()].flatMap((group): StepEstimate[] => {
    const [first] = group;
    if (first === undefined) return [];
    const { component, from, to } = first;
    const timing = history.get(component);
    if (timing === undefined)
      return [{ component, from, to, seconds: undefined, basis: "no run that changed it is on record" }];
    const changes = group.filter((change) => now.has(change));
    const known = bytesOf(plan, first);
    const sending =
      timing.bytesPerSecond === undefined ? undefined : known?.map((bytes) => bytes / (timing.bytesPerSecond || 1));
    const waves = Math.ceil(changes.length / concurrency);
    const ahead = waves * (Math.max(0, ...(sending ?? [])) + timing.buildMs / 1_000);
    const seconds = Math.round((ahead + switching(changes, { batches, timing, concurrency })) * 10) / 10;
    const without = sending === undefined ? ", without the time to send" : "";
    const hosts = timing.hosts === 1 ? "1 host" : `median of ${timing.hosts} hosts`;
    return [{ component, from, to, seconds, basis: `${hosts}, run of ${day(timing.at)}${without}` }];
  });
}

interface Batches {
  /** Number of the batch that switches `host/component`. */
  readonly ofPlace: ReadonlyMap<string, number>;
  readonly soakSeconds: ReadonlyMap<number, number>;
}

function batchesOf(steps: readonly Step[]): Batches {
  const ofPlace = new Map<string, number>();
  for (const { kind, batch, work } of steps) {
    if (kind !== "switch") continue;
    for (const { host, groups } of work)
      for (const { component } of groups.flat()) ofPlace.set(`${host}/${component}`, batch);
  }
  return { ofPlace, soakSeconds: soaksOf(steps) };
}

/** Batches go one after the other, each with its confirmation and soak. */
function switching(
  changes: readonly PlannedChange[],
  { batches, timing, concurrency }: { batches: Batches; timing: ComponentTiming; concurrency: number },
): number {
  const hosts = new Map<number, number>();
  for (const { host, component } of changes) {
    const batch = batches.ofPlace.get(`${host}/${component}`);
    if (batch !== undefined) hosts.set(batch, (hosts.get(batch) ?? 0) + 1);
  }
  let seconds = 0;
  for (const [batch, count] of hosts) {
    const waves = Math.ceil(count / concurrency);
    seconds += (waves * (timing.switchMs + timing.confirmMs)) / 1_000 + (batches.soakSeconds.get(batch) ?? 0);
  }
  return seconds;
}

/** Bytes a host, of each way in which this step is sent; undefined when one is not known. */
function bytesOf({ transfers }: Plan, step: Pick<PlannedChange, "component" | "from" | "to">): number[] | undefined {
  if (transfers === undefined) return undefined;
  const mine = transfers.filter(
    ({ component, from, to }) => component === step.component && from === step.from && to === step.to,
  );
  const bytes = mine.map(({ path, bytesPerHost }) => (path === "present" ? 0 : bytesPerHost));
  return bytes.every((each) => each !== undefined) ? bytes : undefined;
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
