// Components of which no host may stay behind (R39): the plan as a whole keeps every limit, and with a host that fell silent
// before it switched, and still serves, it would not. The run then ends before anything moves, instead of going on without. Pure.
import type { DesiredComponent } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import { migrationRules } from "./check-migrations.ts";
import { skewRules } from "./check-skew.ts";
import { compareText } from "./difference.ts";
import type { KnownVersions } from "./migration-book.ts";
import { type RunningVersions, versionsAfter, versionsBefore } from "./running-versions.ts";

export interface TiedInput {
  readonly plan: Pick<Plan, "changes" | "waiting" | "held">;
  readonly components: readonly Pick<DesiredComponent, "name" | "skew">[];
  readonly observations: ReadonlyMap<string, Observation>;
  readonly known: KnownVersions;
}

/** In byte order. What only meets on one host is not tied: a host that is left out is left out whole. */
export function tiedComponents({ plan, components, observations, known }: TiedInput): string[] {
  const rules = [...skewRules(components), ...migrationRules(known)].filter(({ scope }) => scope === "fleet");
  if (rules.length === 0) return [];
  const limited = new Set(rules.flatMap(({ left, right }) => [left, right]));
  const before = versionsBefore({ plan, observations, components: limited });
  const after = versionsAfter(before, plan.changes);
  const versions = (component: string) =>
    new Set([...(before.get(component)?.keys() ?? []), ...(after.get(component)?.keys() ?? [])]);
  const isGone = (component: string, version: string) =>
    runs(before, component, version) && !runs(after, component, version);
  const tied = new Set<string>();
  for (const rule of rules)
    for (const left of versions(rule.left))
      for (const right of versions(rule.right)) {
        if (runs(before, rule.left, left) && runs(before, rule.right, right)) continue;
        if (rule.problem(left, right) === undefined) continue;
        if (isGone(rule.left, left)) tied.add(rule.left);
        if (isGone(rule.right, right)) tied.add(rule.right);
      }
  return [...tied].sort(compareText);
}

function runs(versions: RunningVersions, component: string, version: string): boolean {
  return versions.get(component)?.has(version) === true;
}
