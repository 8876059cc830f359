// Stepping stones in a release (R16): each host's next version on its allowed way, instead of the one that is asked for in the
// end. A plan leads to the next stones, on all hosts; the one after it goes on when they are committed. Pure.
import type { DesiredComponent, DesiredRelease, DesiredTarget } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { PlannedPath } from "../model/plan.ts";
import { compareText, startOf } from "./difference.ts";
import { allBefore } from "./order-edges.ts";
import type { Way } from "./upgrade-path.ts";

/** One version step that hosts would make if nothing were declared. */
export interface Ask {
  readonly component: string;
  readonly start: string;
  readonly goal: string;
}

export interface TakePathsInput {
  readonly release: DesiredRelease;
  readonly observations: ReadonlyMap<string, Observation>;
  /** Undefined: the direct step is allowed. Without hops: no way is. */
  readonly wayOf: (ask: Ask) => Way | undefined;
}

export interface TakenPaths {
  /** Targets with their next versions; those of components that have to wait are marked. */
  readonly release: DesiredRelease;
  /** What is not direct, sorted; with no stones: it waits for another component, or no way is allowed. */
  readonly paths: readonly PlannedPath[];
}

/** Every version step that the release asks for, once. First installs go direct, and what nobody has to change is none. */
export function asksOf({ release, observations }: Pick<TakePathsInput, "release" | "observations">): Ask[] {
  const asks = new Map<string, Ask>();
  for (const { name, targets } of release.components)
    for (const target of targets) {
      const ask = askOf(name, target, observations);
      if (ask !== undefined) asks.set(keyOf(ask), ask);
    }
  return [...asks.values()];
}

/**
 * Each component goes on by its own stones, in the order of the release. The last step to what is asked for waits until all
 * that goes before the component gets there as well, or is there.
 */
export function takePaths({ release, observations, wayOf }: TakePathsInput): TakenPaths {
  const ways = new Map<string, Way | undefined>();
  const wayFrom = (ask: Ask): Way | undefined => {
    const key = keyOf(ask);
    if (!ways.has(key)) ways.set(key, wayOf(ask));
    return ways.get(key);
  };
  const found = new Map<string, PlannedPath & { readonly hosts: string[] }>();
  const staged = release.components.map((component): DesiredComponent => {
    const targets = component.targets.map((target): DesiredTarget => {
      const ask = askOf(component.name, target, observations);
      const way = ask && wayFrom(ask);
      if (ask === undefined || way === undefined) return target;
      note(found, { ...pathOf(ask, way), hosts: [target.host] });
      const [next, ...further] = way.hops;
      return next === undefined || further.length === 0 ? target : { ...target, version: next, further };
    });
    return { ...component, targets };
  });
  const onTheWay = new Set(staged.flatMap(({ name, targets }) => (targets.some((each) => each.further) ? [name] : [])));
  const before = allBefore(release.components);
  const components = staged.map((component) => {
    const first = [...(before.get(component.name) ?? [])].filter((name) => onTheWay.has(name)).sort(compareText)[0];
    if (first === undefined) return component;
    const targets = component.targets.map((target): DesiredTarget => {
      if (target.further !== undefined || isThere(component.name, target, observations)) return target;
      const start = startOf(observations.get(target.host), component.name).from;
      const path = { component: component.name, from: start, to: target.version, hosts: [target.host], via: [] };
      note(found, {
        ...path,
        bytesPerHost: undefined,
        why: `waits until ${first} is where it has to be`,
        rejected: [],
        waitsFor: first,
      });
      return { ...target, later: true };
    });
    return { ...component, targets };
  });
  const paths = [...found.values()].sort((a, b) => compareText(sortKey(a), sortKey(b)));
  for (const path of paths) path.hosts.sort(compareText);
  return { release: paths.length === 0 ? release : { ...release, components }, paths };
}

function askOf(
  component: string,
  target: DesiredTarget,
  observations: TakePathsInput["observations"],
): Ask | undefined {
  if (target.excluded !== undefined) return undefined;
  const start = startOf(observations.get(target.host), component).from;
  return start === undefined || start === target.version ? undefined : { component, start, goal: target.version };
}

function isThere(component: string, target: DesiredTarget, observations: TakePathsInput["observations"]): boolean {
  return target.excluded !== undefined || startOf(observations.get(target.host), component).from === target.version;
}

function pathOf({ component, start, goal }: Ask, { hops, bytes, rejected }: Way): Omit<PlannedPath, "hosts"> {
  const why = hops.length === 0 ? "no allowed way leads there" : "the fewest bytes of the ways that are allowed";
  return {
    component,
    from: start,
    to: goal,
    via: hops.slice(0, -1),
    bytesPerHost: hops.length === 0 ? undefined : bytes,
    why,
    rejected,
  };
}

function note(
  found: Map<string, PlannedPath & { readonly hosts: string[] }>,
  path: PlannedPath & { readonly hosts: string[] },
): void {
  const key = `${sortKey(path)} ${path.waitsFor ?? ""}`;
  const known = found.get(key);
  if (known === undefined) found.set(key, path);
  else known.hosts.push(...path.hosts);
}

function keyOf({ component, start, goal }: Ask): string {
  return `${component} ${start} ${goal}`;
}

function sortKey({ component, from = "", to }: Pick<PlannedPath, "component" | "from" | "to">): string {
  return `${component} ${to} ${from}`;
}
