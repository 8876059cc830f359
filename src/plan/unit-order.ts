// The order of units on the hosts, folded over all of them: where the release says nothing it is an order of components, where
// it says otherwise the release counts and the plan shows both (R28). No part of the plan hash: an edited unit, or a host that
// does not answer, changes nothing that was agreed to. Pure.
import type { DesiredComponent } from "../model/desired.ts";
import type { Observation, UnitOrder } from "../model/observation.ts";
import type { UnitOrderFinding } from "../model/unit-order.ts";
import { compareText } from "./difference.ts";
import { predecessors } from "./order-edges.ts";
import type { PhasedChanges } from "./phases-of-changes.ts";

export interface UnitOrderInput {
  readonly components: readonly DesiredComponent[];
  readonly observations: ReadonlyMap<string, Observation>;
  /** Whether the Procedure moves the first before the second somewhere. */
  readonly isTurned?: (component: string, after: string) => boolean;
}

export interface OrderedByUnits {
  /** As they were, and with what the hosts' units add to `dependsOn`. */
  readonly components: readonly DesiredComponent[];
  /** By component, then the one that it comes after. What the release orders the same way is not named. */
  readonly findings: readonly UnitOrderFinding[];
}

/** The same for the same observations, in whatever order. Expects an acyclic release, and leaves it acyclic. */
export function orderByUnits({ components, observations, isTurned = () => false }: UnitOrderInput): OrderedByUnits {
  const edges = foldEdges(components, observations);
  if (edges.length === 0) return { components, findings: [] };
  const declared = needsOf(components);
  const isAsked = ({ component, after }: Edge) => reaches(declared, component, after);
  const isReverse = ({ component, after }: Edge) => reaches(declared, after, component) || isTurned(component, after);
  const open = edges.filter((edge) => !isAsked(edge) && !isReverse(edge));
  const all = needsOf(components, open);
  const kindOf = (edge: Edge): UnitOrderFinding["kind"] =>
    isReverse(edge) ? "contradicts" : reaches(all, edge.after, edge.component) ? "circle" : "respected";
  const findings = edges.filter((edge) => !isAsked(edge)).map((edge) => ({ kind: kindOf(edge), ...edge }));
  const added = Map.groupBy(
    findings.filter(({ kind }) => kind === "respected"),
    ({ component }) => component,
  );
  return {
    components: components.map((component) => {
      const more = added.get(component.name) ?? [];
      return more.length === 0
        ? component
        : { ...component, dependsOn: [...component.dependsOn, ...more.map(({ after }) => after)] };
    }),
    findings,
  };
}

/** From the phases that a plan has, asked for when they are first needed. */
export function turnedByPhases(
  phasesOf: () => readonly PhasedChanges[],
): (component: string, after: string) => boolean {
  let places: { readonly first: Map<string, number>; readonly last: Map<string, number> } | undefined;
  return (component, after) => {
    places ??= phasePlaces(phasesOf());
    return (places.first.get(component) ?? Number.POSITIVE_INFINITY) < (places.last.get(after) ?? 0);
  };
}

function phasePlaces(phased: readonly PhasedChanges[]) {
  const places = { first: new Map<string, number>(), last: new Map<string, number>() };
  for (const [index, { changes }] of phased.entries()) {
    for (const { component } of changes) {
      if (!places.first.has(component)) places.first.set(component, index);
      places.last.set(component, index);
    }
  }
  return places;
}

type Edge = Omit<UnitOrderFinding, "kind">;

/** What the units of all hosts say, each pair of components once, sorted. */
function foldEdges(components: UnitOrderInput["components"], observations: UnitOrderInput["observations"]): Edge[] {
  const wanted = new Map(components.map(({ name, targets }) => [name, new Set(targets.map(({ host }) => host))]));
  const found = new Map<string, { component: string; after: string; directives: Set<string>; hosts: Set<string> }>();
  for (const observation of observations.values()) {
    if (observation.kind !== "observed") continue;
    const { host } = observation;
    const isMeant = (component: string) => wanted.get(component)?.has(host) === true;
    const said = observation.components.flatMap(({ component, unitOrder = [] }) =>
      isMeant(component)
        ? unitOrder.flatMap((order) => (isMeant(order.component) ? { ...order, from: component } : []))
        : [],
    );
    for (const { from, unit, directive, component, otherUnit } of decisive(said)) {
      const key = `${from} ${component}`;
      const edge = found.get(key) ?? { component: from, after: component, directives: new Set(), hosts: new Set() };
      edge.directives.add(`${unit} ${directive}=${otherUnit}`);
      edge.hosts.add(host);
      found.set(key, edge);
    }
  }
  return [...found]
    .sort(([a], [b]) => compareText(a, b))
    .map(([, { directives, hosts, ...edge }]) => ({
      ...edge,
      directives: [...directives].sort(compareText),
      hosts: [...hosts].sort(compareText),
    }));
}

type Said = UnitOrder & { readonly from: string };

/** A unit may pull in another one that then starts after it: of two units, what is said of their order outweighs a need. */
function decisive(said: readonly Said[]): Said[] {
  const ordered = new Set(
    said.flatMap(({ unit, directive, otherUnit }) => (directive === "After" ? `${unit} ${otherUnit}` : [])),
  );
  return said.filter(({ unit, directive, otherUnit }) => directive === "After" || !ordered.has(`${otherUnit} ${unit}`));
}

type Needs = ReadonlyMap<string, ReadonlySet<string>>;

function needsOf(components: readonly DesiredComponent[], more: readonly Edge[] = []): Needs {
  const needs = new Map(
    [...predecessors(components)].map(([name, edges]) => [name, new Set(edges.map(({ before }) => before))]),
  );
  for (const { component, after } of more) needs.get(component)?.add(after);
  return needs;
}

/** Whether `from` needs `to`, directly or through others. */
function reaches(needs: Needs, from: string, to: string): boolean {
  const seen = new Set<string>();
  const open = [from];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const need of needs.get(name) ?? []) {
      if (need === to) return true;
      if (!seen.has(need)) open.push(need);
      seen.add(need);
    }
  }
  return false;
}
