// What plan edits must not do: leave something behind that others, which do move, depend on. Pure.
import { RefusedError } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Difference, LeftBehind } from "./difference.ts";
import { allBefore } from "./order-edges.ts";

/**
 * Throws `plan-edit-refused` when an edit keeps a component from its new version on a host where a component changes that
 * comes after it by any edge; or when no host at all is left that gets it, and one that comes after it changes elsewhere.
 */
export function checkEdits(release: DesiredRelease, { changes, leftBehind }: Difference): void {
  if (leftBehind.length === 0) return;
  const before = allBefore(release.components);
  const hostsOf = new Map(
    release.components.map(({ name, targets }) => [name, new Set(targets.map(({ host }) => host))]),
  );
  const behind = Map.groupBy(leftBehind, ({ component }) => component);
  const broken: string[] = [];
  for (const { host, component, to } of changes) {
    for (const needed of before.get(component) ?? []) {
      const left = behind.get(needed) ?? [];
      const [first] = left;
      const here = left.find((each) => each.host === host);
      if (here !== undefined) broken.push(sentence({ component, to, host }, here));
      // Elsewhere one instance may be missing for a while; all of them may not.
      else if (first !== undefined && !hostsOf.get(needed)?.has(host) && left.length === hostsOf.get(needed)?.size)
        broken.push(sentence({ component, to, host }, first));
    }
  }
  if (broken.length > 0) throw editRefused(release.name, broken);
}

export function editRefused(release: string, broken: readonly string[]): RefusedError {
  const shown = broken.slice(0, 20);
  return new RefusedError({
    code: "plan-edit-refused",
    message: `The plan of ${release} cannot be edited like that: a dependency would break`,
    evidence: [...shown, ...(broken.length > shown.length ? [`and ${broken.length - shown.length} more`] : [])].join(
      "\n",
    ),
    impact: "Nothing was changed on any host",
    remedy: "Change or remove the edit in its PlanEdit document, commit and push",
  });
}

function sentence(mover: { component: string; to: string; host: string }, left: LeftBehind): string {
  const where = left.host === mover.host ? "there" : `on ${left.host}, and on no other host`;
  return `${mover.component} goes to ${mover.to} on ${mover.host} and comes after ${left.component}, which would not get ${left.to} ${where} (${left.why})`;
}
