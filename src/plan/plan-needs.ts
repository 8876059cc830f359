// What a plan needs to be left alone meanwhile, beside the places that it changes. Pure.
import type { DesiredComponent } from "../model/desired.ts";
import type { PlanNeeds, PlannedChange } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import { compareText, type DifferenceInput, publishedVersion } from "./difference.ts";
import { orderEdges } from "./order-edges.ts";

export function planNeeds(
  changes: readonly PlannedChange[],
  { release, published }: Pick<DifferenceInput, "release" | "published">,
): PlanNeeds {
  const components = sorted(changes.map(({ component }) => component));
  const versions = new Map(changes.map(({ component, to }) => [`${component}@${to}`, { component, version: to }]));
  // The version that is left serves until the switch, and again on a way back: its ports are taken as well.
  const left = new Map(
    changes.flatMap(({ component, from: version }) => {
      const key = `${component}@${version}`;
      return version !== undefined && published.has(key) ? [[key, { component, version }] as const] : [];
    }),
  );
  const of = <T>(which: typeof versions, list: (version: PublishedVersion) => readonly T[]) =>
    withoutEmpty(
      sorted([...which.keys()]).map((key) => {
        const { component, version } = which.get(key) ?? { component: "", version: "" };
        return [key, list(publishedVersion(published, component, version))];
      }),
    );
  return {
    related: relatedOf(components, release.components),
    ports: of(new Map([...versions, ...left]), ({ needsPorts = [] }) => [...new Set(needsPorts)].sort((a, b) => a - b)),
    components: of(versions, ({ needsComponents = {} }) => sorted(Object.keys(needsComponents))),
  };
}

function relatedOf(components: readonly string[], all: readonly DesiredComponent[]): PlanNeeds["related"] {
  const edges = orderEdges(all);
  const up = Map.groupBy(edges, ({ before }) => before);
  const down = Map.groupBy(edges, ({ after }) => after);
  return withoutEmpty(
    components.map((name) => {
      const above = reach(name, (from) => (up.get(from) ?? []).map(({ after }) => after));
      const below = reach(name, (from) => (down.get(from) ?? []).map(({ before }) => before));
      return [name, sorted([...above, ...below, ...skewed(name, all)])];
    }),
  );
}

/** Those that must not be too far apart: how far was checked with the other one where it is. */
function skewed(name: string, all: readonly DesiredComponent[]): string[] {
  return all.flatMap((component) =>
    (component.skew ?? []).flatMap(({ of }) => (component.name === name ? [of] : of === name ? [component.name] : [])),
  );
}

function reach(start: string, next: (from: string) => readonly string[]): Set<string> {
  const found = new Set<string>();
  const open = [start];
  for (let from = open.pop(); from !== undefined; from = open.pop())
    for (const name of next(from)) {
      if (found.has(name)) continue;
      found.add(name);
      open.push(name);
    }
  return found;
}

function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].sort(compareText);
}

function withoutEmpty<T>(
  entries: readonly (readonly [string, readonly T[]])[],
): Readonly<Record<string, readonly T[]>> {
  return Object.fromEntries(entries.filter(([, list]) => list.length > 0));
}
