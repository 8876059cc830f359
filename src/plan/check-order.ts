// Whether steps keep the order that dependencies ask for, also after people moved hosts between batches. Pure.
import type { DesiredComponent } from "../model/desired.ts";
import type { Step } from "../model/plan.ts";
import { allBefore, orderEdges } from "./order-edges.ts";
import { localEdges } from "./order-stacks.ts";

interface Place {
  readonly host: string;
  /** Place of the step, and within its host's series: both only compared. */
  readonly step: number;
  readonly group: number;
  readonly batch: number;
}

/** One sentence for each component that would switch on a host before what it comes after. */
export function orderProblems(steps: readonly Step[], components: readonly DesiredComponent[]): string[] {
  const switches = placesOf(steps);
  const isHostByHost = hostByHost(components);
  const problems: string[] = [];
  for (const [after, all] of allBefore(components)) {
    for (const before of all) {
      const below = switches.get(before) ?? [];
      if (below.length === 0) continue;
      const here = new Map(isHostByHost(after, before) ? below.map((place) => [place.host, place]) : []);
      const latest = below.reduce((a, b) => (b.step > a.step ? b : a));
      for (const place of switches.get(after) ?? []) {
        const first = isHostByHost(after, before) ? here.get(place.host) : latest;
        if (first === undefined || isBefore(first, place)) continue;
        problems.push(
          `${after} on ${place.host} would go in batch ${place.batch} and comes after ${before}, which ${first.host} gets in batch ${first.batch}`,
        );
      }
    }
  }
  return problems;
}

/** Whether it is enough that one goes before the other on each host; of components that no edge joins, where both live. */
function hostByHost(components: readonly DesiredComponent[]): (after: string, before: string) => boolean {
  const edges = orderEdges(components);
  const local = localEdges(components, edges);
  const fleetWide = new Set(
    edges.filter((edge) => !local.includes(edge)).map(({ after, before }) => `${after} ${before}`),
  );
  const hostsOf = new Map(components.map(({ name, targets }) => [name, new Set(targets.map(({ host }) => host))]));
  return (after, before) =>
    !fleetWide.has(`${after} ${before}`) &&
    [...(hostsOf.get(after) ?? [])].every((host) => hostsOf.get(before)?.has(host));
}

function isBefore(a: Place, b: Place): boolean {
  return a.step < b.step || (a.step === b.step && a.host === b.host && a.group < b.group);
}

/** By component. */
function placesOf(steps: readonly Step[]): Map<string, Place[]> {
  const places = new Map<string, Place[]>();
  for (const [step, { kind, batch, work }] of steps.entries()) {
    if (kind !== "switch") continue;
    for (const { host, groups } of work)
      for (const [group, tasks] of groups.entries())
        for (const { component, kind: task } of tasks)
          if (task === "switch") {
            const mine = places.get(component);
            if (mine === undefined) places.set(component, [{ host, step, group, batch }]);
            else mine.push({ host, step, group, batch });
          }
  }
  return places;
}

/** One sentence for each switch that edits put on the other side of a task that runs once for its component. */
export function passedTasks(before: readonly Step[], after: readonly Step[]): string[] {
  const [was, is] = [sidesOf(before), sidesOf(after)];
  return [...is].flatMap(([key, { isLater, text }]) => (was.get(key)?.isLater === isLater ? [] : [text]));
}

function sidesOf(steps: readonly Step[]): Map<string, { readonly isLater: boolean; readonly text: string }> {
  const switches = placesOf(steps);
  const sides = new Map<string, { isLater: boolean; text: string }>();
  for (const [at, { id, kind, work }] of steps.entries()) {
    if (kind !== "task") continue;
    const task = work.flatMap(({ groups }) => groups.flat()).at(0);
    for (const { host, step, batch } of switches.get(task?.component ?? "") ?? []) {
      const text = `${task?.component} on ${host} would switch in batch ${batch}, on the other side of the task ${task?.id} (${id})`;
      sides.set(`${id} ${host}`, { isLater: step > at, text });
    }
  }
  return sides;
}
