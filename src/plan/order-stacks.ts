// Dependency order. Components that live together on their hosts form a stack and move host by host; a dependency on
// components of other hosts waits for all of those hosts. Pure.
import type { DesiredComponent } from "../model/desired.ts";
import { compareText } from "./difference.ts";

/** Components of one stack, dependencies first. Layers hold stacks that may move side by side. */
export type Stack = readonly string[];

/**
 * Layers of stacks, lowest first. An edge A → B is local, and joins both into one stack, when every host that has B also
 * has A: then a canary host can try both together. Any other edge is between machines: all of A moves before any of B.
 * Where joining would put an edge between machines inside a stack (hosts move one after the other there), or make a
 * circle between stacks, every component is its own stack. Expects an acyclic graph.
 */
export function orderStacks(components: readonly DesiredComponent[]): Stack[][] {
  const stacks = joinStacks(components);
  const joined = stacks.some((stack) => holdsFleetEdge(stack, components)) ? undefined : layersOf(stacks, components);
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
  const names = new Set(components.map((component) => component.name));
  const waiting = new Map(
    components.map((component) => [component.name, new Set(component.dependsOn.filter((name) => names.has(name)))]),
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

function joinStacks(components: readonly DesiredComponent[]): string[][] {
  const isLocal = localEdges(components);
  const stackOf = new Map(components.map((component) => [component.name, new Set([component.name])]));
  for (const component of components) {
    for (const dependency of component.dependsOn) {
      if (isLocal(component, dependency)) mergeStacks(stackOf, component.name, dependency);
    }
  }
  const order = topologicalOrder(components);
  return [...new Set(stackOf.values())].map((stack) => order.filter((name) => stack.has(name)));
}

/** Tells whether every host of a component also has the dependency. False for a dependency outside the release. */
function localEdges(components: readonly DesiredComponent[]): (of: DesiredComponent, dependency: string) => boolean {
  const hostsOf = new Map(
    components.map((component) => [component.name, new Set(component.targets.map((target) => target.host))]),
  );
  return (of, dependency) => {
    const below = hostsOf.get(dependency);
    return below !== undefined && of.targets.every((target) => below.has(target.host));
  };
}

function holdsFleetEdge(stack: Stack, components: readonly DesiredComponent[]): boolean {
  const isLocal = localEdges(components);
  return components.some(
    (component) =>
      stack.includes(component.name) &&
      component.dependsOn.some((need) => stack.includes(need) && !isLocal(component, need)),
  );
}

function mergeStacks(stackOf: Map<string, Set<string>>, a: string, b: string): void {
  const merged = new Set([...(stackOf.get(a) ?? []), ...(stackOf.get(b) ?? [])]);
  for (const name of merged) stackOf.set(name, merged);
}

/** Undefined when the stacks wait for each other in a circle. */
function layersOf(stacks: readonly Stack[], components: readonly DesiredComponent[]): Stack[][] | undefined {
  const byName = new Map(components.map((component) => [component.name, component]));
  const waiting = new Set(stacks);
  const finished = new Set<string>();
  const layers: Stack[][] = [];
  while (waiting.size > 0) {
    const layer = [...waiting].filter((stack) =>
      stack.every((name) =>
        (byName.get(name)?.dependsOn ?? []).every(
          (need) => finished.has(need) || stack.includes(need) || !byName.has(need),
        ),
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
