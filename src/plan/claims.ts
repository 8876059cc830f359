// What a run holds while it is open, and whether another one may go on beside it (R33). Pure.
import type { Plan } from "../model/plan.ts";
import type { RunId } from "../model/run-event.ts";

/** One run's claims: every component on every host that its plan changes, and ports there. */
export interface Claims {
  readonly release: string;
  /** Keyed by `host/component`. */
  readonly places: ReadonlyMap<string, Place>;
  /** Keyed by `host:port`. */
  readonly ports: ReadonlyMap<string, Place & { readonly port: number }>;
  /** Components that change. */
  readonly components: ReadonlySet<string>;
  /** By component: those of the same release that must not move meanwhile. */
  readonly related: ReadonlyMap<string, readonly string[]>;
  /** Keyed by `host/component`: what a component needs beside it there, and which component that is. */
  readonly needed: ReadonlyMap<string, Place & { readonly by: string }>;
}

interface Place {
  readonly host: string;
  readonly component: string;
}

/** Who holds claims, and since when. */
export interface Claimant {
  readonly run: RunId;
  readonly claims: Claims;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** Why two runs cannot go on side by side. */
export type Conflict =
  | { readonly kind: "claimed"; readonly component: string; readonly hosts: readonly string[] }
  | { readonly kind: "port"; readonly port: number; readonly component: string; readonly hosts: readonly string[] }
  /**
   * `component` of the new run must not move while `other` does: one goes before the other, or needs it on the same host. Or
   * it is the same one on other hosts of the release, where the first run has not shown yet that it is good.
   */
  | { readonly kind: "related"; readonly component: string; readonly other: string };

export function claimsOf({
  release,
  changes,
  steps,
  needs,
}: Pick<Plan, "release" | "changes" | "steps" | "needs">): Claims {
  const places = new Map<string, Place>();
  const ports = new Map<string, Place & { port: number }>();
  const needed = new Map<string, Place & { by: string }>();
  for (const { host, component, from, to } of changes) {
    places.set(`${host}/${component}`, { host, component });
    // Those of the version that is left, too: it serves until the switch, and again when the run goes back.
    for (const version of from === undefined ? [to] : [from, to])
      for (const port of needs?.ports[`${component}@${version}`] ?? [])
        ports.set(`${host}:${port}`, { host, component, port });
    for (const other of needs?.components[`${component}@${to}`] ?? [])
      needed.set(`${host}/${other}`, { host, component: other, by: component });
  }
  for (const place of otherPlaces({ changes, steps })) places.set(`${place.host}/${place.component}`, place);
  const components = new Set([...places.values()].map(({ component }) => component));
  return { release, places, ports, components, related: new Map(Object.entries(needs?.related ?? {})), needed };
}

/** A task may act where nothing changes: on the host of another component, or once for all of them. */
function otherPlaces({ changes, steps }: Pick<Plan, "changes" | "steps">): Place[] {
  // Looked up without making a text of each: a large plan has hundreds of thousands of tasks.
  const known = new Map<string, Set<string>>();
  for (const { host, component } of changes) known.set(host, (known.get(host) ?? new Set()).add(component));
  const found: Place[] = [];
  for (const { work } of steps)
    for (const { groups } of work)
      for (const group of groups)
        for (const { host, component } of group) {
          if (known.get(host)?.has(component)) continue;
          known.set(host, (known.get(host) ?? new Set()).add(component));
          found.push({ host, component });
        }
  return found;
}

/** Empty when both may go on at the same time. What `wanted` asks for comes first in every conflict. */
export function conflictsBetween(wanted: Claims, held: Claims): Conflict[] {
  return [...samePlaces(wanted, held), ...samePorts(wanted, held), ...relatedMoves(wanted, held)];
}

function samePlaces(wanted: Claims, held: Claims): Conflict[] {
  const shared = [...wanted.places].flatMap(([key, place]) => {
    // guard R33: what an open run claims is handed over by no other one.
    if (!held.places.has(key)) return [];
    return [place];
  });
  return [...Map.groupBy(shared, ({ component }) => component)].map(([component, places]) => ({
    kind: "claimed",
    component,
    hosts: places.map(({ host }) => host),
  }));
}

function samePorts(wanted: Claims, held: Claims): Conflict[] {
  const shared = [...wanted.ports].flatMap(([key, mine]) => {
    const other = held.ports.get(key);
    // The same component there is a conflict already.
    return other === undefined || other.component === mine.component ? [] : [{ ...mine, other: other.component }];
  });
  return [...Map.groupBy(shared, ({ port, other }) => `${port} ${other}`).values()].flatMap((group): Conflict[] => {
    const [first] = group;
    if (first === undefined) return [];
    return [{ kind: "port", port: first.port, component: first.other, hosts: group.map(({ host }) => host) }];
  });
}

function relatedMoves(wanted: Claims, held: Claims): Conflict[] {
  const found = new Map<string, Conflict>();
  const add = (component: string, other: string) =>
    found.set(`${component} ${other}`, { kind: "related", component, other });
  if (wanted.release === held.release) {
    for (const component of wanted.components) if (held.components.has(component)) add(component, component);
    for (const component of wanted.components)
      for (const other of wanted.related.get(component) ?? []) if (held.components.has(other)) add(component, other);
    for (const other of held.components)
      for (const component of held.related.get(other) ?? [])
        if (wanted.components.has(component)) add(component, other);
  }
  for (const [key, { component, by }] of wanted.needed) if (held.places.has(key)) add(by, component);
  for (const [key, { component, by }] of held.needed) if (wanted.places.has(key)) add(component, by);
  return [...found.values()];
}
