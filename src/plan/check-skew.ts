// Version skew limits (R39): at no point of a plan may versions that run at the same time be further apart than the Release
// says. What hosts run that the plan leaves alone counts as well. Pure.
import type { DesiredComponent } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { SkewLimit } from "../model/release.ts";
import { type Clash, findClashes, type PairRule } from "./find-clashes.ts";
import { type RunningVersions, versionsAfter, versionsBefore } from "./running-versions.ts";
import { skewProblem } from "./version-distance.ts";

export interface SkewRule extends PairRule {
  readonly limit: SkewLimit;
}

export interface SkewViolation extends Clash<SkewRule> {
  /** Which of the two would have to go first everywhere for no limit to be exceeded; undefined where no order does. */
  readonly first: string | undefined;
}

/** In order of the plan; each pair of versions once. */
export function checkSkew({
  plan,
  components,
  observations,
}: {
  readonly plan: Pick<Plan, "steps" | "changes" | "waiting" | "held">;
  readonly components: readonly Pick<DesiredComponent, "name" | "skew">[];
  readonly observations: ReadonlyMap<string, Observation>;
}): SkewViolation[] {
  const rules = skewRules(components);
  if (rules.length === 0) return [];
  const limited = new Set(rules.flatMap(({ left, right }) => [left, right]));
  const running = versionsBefore({ plan, observations, components: limited });
  const clashes = findClashes({ steps: plan.steps, running, rules });
  if (clashes.length === 0) return [];
  const after = versionsAfter(running, plan.changes);
  return clashes.map((clash) => {
    const { left, right } = clash.rule;
    const orders = [[right, left] as const, [left, right] as const];
    return { ...clash, first: orders.find((order) => isWithin(clash.rule, { order, running, after }))?.[0] };
  });
}

export function skewRules(components: readonly Pick<DesiredComponent, "name" | "skew">[]): SkewRule[] {
  return components.flatMap(({ name, skew = [] }) =>
    skew.map((limit) => ({
      left: name,
      right: limit.of,
      scope: limit.scope,
      limit,
      problem: (version: string, other: string) => skewProblem(limit, { version, other }),
    })),
  );
}

interface Order {
  /** The first moves everywhere before the second one does. */
  readonly order: readonly [first: string, second: string];
  readonly running: RunningVersions;
  readonly after: RunningVersions;
}

function isWithin(rule: SkewRule, { order: [first, second], running, after }: Order): boolean {
  const versions = (component: string, ...at: RunningVersions[]): ReadonlySet<string> =>
    new Set(at.flatMap((each) => [...(each.get(component)?.keys() ?? [])]));
  const points = [
    new Map([
      [first, versions(first, running, after)],
      [second, versions(second, running)],
    ]),
    new Map([
      [first, versions(first, after)],
      [second, versions(second, running, after)],
    ]),
  ];
  const isThere = (left: string, right: string) =>
    running.get(rule.left)?.has(left) === true && running.get(rule.right)?.has(right) === true;
  return points.every((point) =>
    [...(point.get(rule.left) ?? [])].every((left) =>
      [...(point.get(rule.right) ?? [])].every(
        (right) => rule.problem(left, right) === undefined || isThere(left, right),
      ),
    ),
  );
}
