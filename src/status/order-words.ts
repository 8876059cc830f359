// Why a plan's order is so, in words. Pure.
import type { OrderEdge } from "../model/plan.ts";

/** `database before api (api requires it)`; `name` marks up component names. */
export function orderWords({ kind, before, after }: OrderEdge, name = (text: string): string => text): string {
  const why = kind === "requires" ? `${name(after)} requires it` : `it consumes what ${name(after)} produces`;
  return `${name(before)} before ${name(after)} (${why})`;
}

/** One line for the first `limit` edges; empty when there is no edge. */
export function orderLine(
  edges: readonly OrderEdge[],
  { limit, name }: { readonly limit: number; readonly name?: (text: string) => string },
): string {
  const shown = edges.slice(0, limit).map((edge) => orderWords(edge, name));
  const left = edges.length - shown.length;
  return [...shown, ...(left > 0 ? [`and ${left} more`] : [])].join(", ");
}
