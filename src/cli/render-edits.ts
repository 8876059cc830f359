// What people changed about a plan, and where its run will wait for one. Pure.
import type { Plan, PlannedEdit } from "../model/plan.ts";
import { type Cell, tableLines } from "./table.ts";
import { type Line, styled } from "./text.ts";

export function editLines({ edits = [] }: Pick<Plan, "edits">): Line[] {
  if (edits.length === 0) return [];
  const rows = edits.map(({ kind, document, reason, effect }: PlannedEdit): Cell[] => [
    { text: kind, style: "accent" },
    { text: effect },
    { text: document },
    { text: reason, style: "faint" },
  ]);
  return [[styled("edited by hand", "warn")], ...tableLines(["edit", "what it does", "document", "why"], rows, 96)];
}
