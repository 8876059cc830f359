// What people changed about a plan, in the comment of a pull request. Pure.
import type { PlannedEdit } from "../model/plan.ts";
import { code, prose, table } from "./markdown-text.ts";
import type { Detail } from "./review-detail.ts";
import { counted, formatCount } from "./units.ts";

export function editLines(edits: readonly PlannedEdit[], detail: Detail): string[] {
  if (edits.length === 0) return [];
  const rows = edits
    .slice(0, detail.rows)
    .map(({ kind, document, effect, reason }) => [
      code(kind),
      prose(effect, detail.characters),
      code(document),
      prose(reason, detail.characters),
    ]);
  const left = edits.length - rows.length;
  return [
    `**Edited by hand: ${counted(edits.length, "edit")}**`,
    "",
    ...table(["edit", "what it does", "document", "why"], rows),
    ...(left > 0 ? ["", `${formatCount(left)} more: \`cutover plan\` shows all.`] : []),
  ];
}
