// What a plan may not do on its way, asked before anything moves: versions too far apart at some point of it (R39). Words for
// what the pure checks of plan/ find.
import { CutoverError } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import { checkSkew, type SkewViolation } from "../plan/check-skew.ts";

export interface OrderCheck {
  readonly plan: Plan;
  readonly release: DesiredRelease;
  readonly observations: ReadonlyMap<string, Observation>;
}

/** Evidence names as many places; one is enough to refuse. */
const shown = 20;

/** Throws `skew-exceeded`. Hosts that the plan leaves alone count with what they run, or ran when they were last seen. */
export function refuseUnsafeOrder({ plan, release, observations }: OrderCheck): void {
  const apart = checkSkew({ plan, components: release.components, observations });
  if (apart.length > 0) throw tooFarApart(plan, apart);
}

function tooFarApart({ release }: Plan, apart: readonly SkewViolation[]): CutoverError {
  const lines = apart.slice(0, shown).map(({ rule, step, left, right, problem }) => {
    return `${step}: ${rule.left} ${left.version} on ${left.host} would run beside ${rule.right} ${right.version} on ${right.host}: ${problem}`;
  });
  const left = apart.length - lines.length;
  return new CutoverError({
    code: "skew-exceeded",
    message: `${release} cannot be rolled out: on the way there versions would be further apart than \`skew\` allows`,
    evidence: [...lines, ...(left > 0 ? [`and ${left} more`] : [])].join("\n"),
    impact: "Nothing was changed on any host",
    remedy: [...new Set(apart.map(wayOut))].join("; "),
  });
}

function wayOut({ rule: { left, right, scope }, first }: SkewViolation): string {
  if (first === left)
    return `Let ${left} go everywhere before ${right}: \`consumes: [${right}]\` at ${left}, and no \`depends_on\` that says otherwise`;
  if (first === right) return `Let ${right} go everywhere before ${left}: \`depends_on: [${right}]\` at ${left}`;
  const other = scope === "fleet" ? `, or say \`scope: host\` where they only meet on one host` : "";
  return `No order of ${left} and ${right} does: release versions in between first${other}`;
}
