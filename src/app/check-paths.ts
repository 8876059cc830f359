// A version step that may not be taken directly, and for which no stepping stones are published, is refused before anything
// moves (R16).
import { CutoverError } from "../errors.ts";
import type { PlannedPath } from "../model/plan.ts";
import { foldHosts } from "../status/fold-hosts.ts";

/** Reasons that are shown for one version step. */
const shown = 10;

/** Throws `no-upgrade-path`, naming the hosts, the ways that were looked at and why each was rejected. */
export function refuseMissingPaths(release: string, paths: readonly PlannedPath[]): void {
  const missing = paths.filter(({ via, waitsFor }) => via.length === 0 && waitsFor === undefined);
  if (missing.length === 0) return;
  const lines = missing.flatMap(({ component, from, to, hosts, rejected }) => {
    const left = rejected.length - shown;
    return [
      `${foldHosts(hosts, { ranges: 8 })}: ${component} ${from ?? ""} → ${to}`,
      ...rejected.slice(0, shown).map(({ way, why }) => `  ${way}: ${why}`),
      ...(left > 0 ? [`  and ${left} more`] : []),
    ];
  });
  const [first] = missing;
  throw new CutoverError({
    code: "no-upgrade-path",
    message: `${release} cannot be rolled out: no allowed way leads from what some hosts run to what it asks for`,
    evidence: lines.join("\n"),
    impact: "Nothing was changed on any host",
    remedy: `Publish a version of ${first?.component} that takes hosts from ${first?.from} and leads on, or ask for one that can be reached, for these hosts by a selector`,
  });
}
