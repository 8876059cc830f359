// How many hosts of a group may switch at a time: of all Fleet documents. A limit that no host falls under is a slip of the pen.
import type { Host, SwitchLimit } from "../model/fleet.ts";
import { carriesLabels } from "../plan/switch-limits.ts";
import type { ParsedDocument } from "./parse-documents.ts";
import type { Report } from "./report.ts";

export function resolveLimits({
  fleets,
  hosts,
  reportOn,
}: {
  readonly fleets: readonly ParsedDocument[];
  readonly hosts: readonly Host[];
  readonly reportOn: (parsed: ParsedDocument) => Report;
}): SwitchLimit[] {
  return fleets.flatMap((parsed): readonly SwitchLimit[] => {
    if (parsed.document.kind !== "Fleet") return [];
    const { limits = [] } = parsed.document;
    for (const [index, { match }] of limits.entries())
      if (!hosts.some(({ labels }) => carriesLabels(labels, match)))
        reportOn(parsed)(["limits", index, "match"], {
          message: "no host carries these labels, so this limits nothing",
        });
    return limits;
  });
}
