// Dependency order. Components that live together on their hosts form a stack and move host by host; a dependency on
// components of other hosts waits for all of those hosts. Pure.
import type { DesiredComponent } from "../model/desired.ts";
import type { OrderEdge } from "../model/plan.ts";
import { compareText } from "./difference.ts";
import { orderEdges, predecessors } from "./order-edges.ts";

/** Components of one stack, dependencies first. Layers hold stacks that may move side by side. */
export type Stack = readonly string[];

/**
 * Layers of stacks, lowest first. "B requires A" is local, and joins both into one stack, when every host that has B also
 * has A: then a canary host can try both together. Any other edge is between machines: all of A moves before any of B. So is
 * every edge of a consumer, since what it takes may come from any host, and one whose ends have a fleet-wide skew limit.
 * Where joining would put an edge between machines inside a stack (hosts move one after the other there), or make a
 * circle between stacks, every component is its own stack. Expects an acyclic graph.
 */
export function orderStacks(components: readonly DesiredComponent[]): Stack[][] {
  const edges = orderEdges(components);
  const local = localEdges(components, edges);
  const stacks = joinStacks(components, local);
  const isTorn = edges.some(
    (edge) =>
      !local.includes(edge) && stacks.some((stack) => stack.includes(edge.after) && stack.includes(edge.before)),
  );
  const joined = isTorn ? undefined : layersOf(stacks, components);
  return (
    joined ??
    layersOf(
      components.map((component) => [component.name]),
      components,
    ) ??
    []
  );
}

/** Component names, dependencies first, equals by name. */
export function topologicalOrder(components: readonly DesiredComponent[]): string[] {
  const waiting = new Map(
    [...predecessors(components)].map(([name, edges]) => [name, new Set(edges.map(({ before }) => before))]),
  );
  const order: string[] = [];
  while (waiting.size > 0) {
    const ready = [...waiting]
      .filter(([, needs]) => needs.size === 0)
      .map(([name]) => name)
      .sort(compareText);
    if (ready.length === 0)
      throw new Error(`dependency circle among ${[...waiting.keys()].sort(compareText).join(", ")}`);
    const [first] = ready;
    if (first === undefined) break;
    order.push(first);
    waiting.delete(first);
    for (const needs of waiting.values()) needs.delete(first);
  }
  return order;
}

function joinStacks(components: readonly DesiredComponent[], local: readonly OrderEdge[]): string[][] {
  const stackOf = new Map(components.map((component) => [component.name, new Set([component.name])]));
  for (const edge of local) mergeStacks(stackOf, edge.after, edge.before);
  const order = topologicalOrder(components);
  return [...new Set(stackOf.values())].map((stack) => order.filter((name) => stack.has(name)));
}

/** Edges that can be served host by host: whatever requires the lower component has it on its own host. */
export function localEdges(components: readonly DesiredComponent[], edges: readonly OrderEdge[]): OrderEdge[] {
  const hostsOf = new Map(
    components.map((component) => [component.name, new Set(component.targets.map((target) => target.host))]),
  );
  const limited = new Set(
    components.flatMap(({ name, skew = [] }) =>
      skew.flatMap(({ of, scope }) => (scope === "fleet" ? [`${name} ${of}`, `${of} ${name}`] : [])),
    ),
  );
  return edges.filter(({ kind, before, after }) => {
    if (kind !== "requires" || limited.has(`${before} ${after}`)) return false;
    const below = hostsOf.get(before) ?? new Set();
    return [...(hostsOf.get(after) ?? [])].every((host) => below.has(host));
  });
}

function mergeStacks(stackOf: Map<string, Set<string>>, a: string, b: string): void {
  const merged = new Set([...(stackOf.get(a) ?? []), ...(stackOf.get(b) ?? [])]);
  for (const name of merged) stackOf.set(name, merged);
}

/** Undefined when the stacks wait for each other in a circle. */
function layersOf(stacks: readonly Stack[], components: readonly DesiredComponent[]): Stack[][] | undefined {
  const edges = predecessors(components);
  const waiting = new Set(stacks);
  const finished = new Set<string>();
  const layers: Stack[][] = [];
  while (waiting.size > 0) {
    const layer = [...waiting].filter((stack) =>
      stack.every((name) =>
        (edges.get(name) ?? []).every(({ before }) => finished.has(before) || stack.includes(before)),
      ),
    );
    if (layer.length === 0) return undefined;
    for (const stack of layer) {
      waiting.delete(stack);
      for (const name of stack) finished.add(name);
    }
    layers.push(layer.sort((a, b) => compareText(a.join(), b.join())));
  }
  return layers;
}
