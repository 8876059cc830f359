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

interface OpenEdge {
  readonly component: string;
  readonly after: string;
  readonly directives: UnitOrder[];
  readonly hosts: string[];
}

/**
 * What the units of all hosts say, each pair of components once, sorted. Fleets say the same few things on thousands of hosts:
 * nothing is made anew for what was heard before.
 */
function foldEdges(components: UnitOrderInput["components"], observations: UnitOrderInput["observations"]): Edge[] {
  const found = new Map<string, Map<string, OpenEdge>>();
  let wanted: Map<string, Set<string>> | undefined;
  for (const observation of observations.values()) {
    if (observation.kind !== "observed" || !observation.components.some(({ unitOrder }) => unitOrder)) continue;
    wanted ??= new Map(components.map(({ name, targets }) => [name, new Set(targets.map(({ host }) => host))]));
    const { host } = observation;
    const meant = observation.components.filter(({ component }) => wanted?.get(component)?.has(host));
    const said = meant.flatMap(({ unitOrder = [] }) => unitOrder);
    for (const { component, unitOrder = [] } of meant)
      for (const order of unitOrder)
        if (isDecisive(order, said) && wanted.get(order.component)?.has(host)) hear(found, { component, order, host });
  }
  return [...found.values()]
    .flatMap((edges) => [...edges.values()])
    .sort((a, b) => compareText(a.component, b.component) || compareText(a.after, b.after))
    .map(({ directives, hosts, ...edge }) => ({
      ...edge,
      directives: directives
        .map(({ unit, directive, otherUnit }) => `${unit} ${directive}=${otherUnit}`)
        .sort(compareText),
      hosts: hosts.sort(compareText),
    }));
}

function hear(
  found: Map<string, Map<string, OpenEdge>>,
  { component, order, host }: { readonly component: string; readonly order: UnitOrder; readonly host: string },
): void {
  const mine = found.get(component) ?? new Map<string, OpenEdge>();
  const edge = mine.get(order.component) ?? { component, after: order.component, directives: [], hosts: [] };
  if (!edge.directives.some((known) => isSame(known, order))) edge.directives.push(order);
  if (edge.hosts.at(-1) !== host) edge.hosts.push(host);
  found.set(component, mine.set(order.component, edge));
}

function isSame(a: UnitOrder, b: UnitOrder): boolean {
  return a.unit === b.unit && a.directive === b.directive && a.otherUnit === b.otherUnit;
}

/** A unit may pull in another one that then starts after it: of two units, what is said of their order outweighs a need. */
function isDecisive({ unit, directive, otherUnit }: UnitOrder, said: readonly UnitOrder[]): boolean {
  return (
    directive === "After" ||
    !said.some((each) => each.directive === "After" && each.unit === otherUnit && each.otherUnit === unit)
  );
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
