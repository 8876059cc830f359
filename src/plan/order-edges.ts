// Why one component goes before another: it is required (`depends_on`), or it consumes what the other produces. Pure.
import type { DesiredComponent } from "../model/desired.ts";
import type { OrderEdge } from "../model/plan.ts";
import { compareText } from "./difference.ts";

type Ordered = Pick<DesiredComponent, "name" | "dependsOn" | "consumes">;

/** Edges between these components, in their order; names that are not among them are left out. */
export function orderEdges(components: readonly Ordered[]): OrderEdge[] {
  const names = new Set(components.map(({ name }) => name));
  return components.flatMap(({ name, dependsOn, consumes = [] }) => [
    ...dependsOn
      .filter((need) => names.has(need))
      .map((before): OrderEdge => ({ kind: "requires", before, after: name })),
    ...consumes
      .filter((producer) => names.has(producer))
      .map((after): OrderEdge => ({ kind: "consumes", before: name, after })),
  ]);
}

/** By component, what goes before it. Every component has an entry. */
export function predecessors(components: readonly Ordered[]): Map<string, OrderEdge[]> {
  const before = new Map(components.map(({ name }): [string, OrderEdge[]] => [name, []]));
  for (const edge of orderEdges(components)) before.get(edge.after)?.push(edge);
  return before;
}

/** Of the edges those between components that move, by name: what a reader of the plan has to know about its order. */
export function orderOf(components: readonly Ordered[], moving: ReadonlySet<string>): OrderEdge[] {
  return orderEdges(components)
    .filter(({ before, after }) => moving.has(before) && moving.has(after))
    .sort((a, b) => compareText(a.after, b.after) || compareText(a.before, b.before) || compareText(a.kind, b.kind));
}

/** Of each component all that goes before it, directly or through others. Expects an acyclic graph. */
export function allBefore(components: readonly Ordered[]): ReadonlyMap<string, ReadonlySet<string>> {
  const direct = predecessors(components);
  const all = new Map<string, ReadonlySet<string>>();
  const collect = (name: string): ReadonlySet<string> => {
    const known = all.get(name);
    if (known !== undefined) return known;
    const found = new Set((direct.get(name) ?? []).flatMap(({ before }) => [before, ...collect(before)]));
    all.set(name, found);
    return found;
  };
  for (const { name } of components) collect(name);
  return all;
}
