// Needs between components (R54), by what is signed and by what hosts say runs there: asked before a plan is made, so that
// nothing moves anywhere when one host would end up with versions that do not work together.
import { type BrokenNeed, brokenNeeds, describeNeed } from "../desired/component-needs.ts";
import { CutoverError } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import { startOf } from "../plan/difference.ts";

export interface NeedsCheck {
  readonly release: DesiredRelease;
  readonly releases: readonly DesiredRelease[];
  /** Keyed by `component@version`. */
  readonly published: ReadonlyMap<string, PublishedVersion>;
  readonly observations: ReadonlyMap<string, Observation>;
}

/** Throws `needs-not-met`, naming every host. What runs on a host that does not answer is not known, and breaks nothing: it is left alone anyway. */
export function refuseBrokenNeeds({ release, releases, published, observations }: NeedsCheck): void {
  const broken = brokenNeeds({
    release,
    releases,
    needsOf: (component, version) => published.get(`${component}@${version}`)?.needsComponents ?? {},
    running: (host, component) => {
      const observation = observations.get(host);
      if (observation?.kind !== "observed") return "unknown";
      return observation.components.find((seen) => seen.component === component)?.current;
    },
  });
  if (broken.length > 0) throw notMet(release.name, broken);
}

/** At the end of the way, and after this plan: components that wait for others still are what they are. */
export function refuseBrokenNeedsOnTheWay({
  wanted,
  release,
  releases,
  ...rest
}: NeedsCheck & { readonly wanted: DesiredRelease }): void {
  refuseBrokenNeeds({ release: wanted, releases, ...rest });
  if (release === wanted) return;
  const components = release.components.map((component) => ({
    ...component,
    targets: component.targets.flatMap((target) => {
      const { from } = startOf(rest.observations.get(target.host), component.name);
      if (target.later !== true) return target;
      return from === undefined ? [] : { ...target, version: from };
    }),
  }));
  const now = { ...release, components };
  refuseBrokenNeeds({ release: now, releases: releases.map((each) => (each.name === now.name ? now : each)), ...rest });
}

function notMet(release: string, broken: readonly BrokenNeed[]): CutoverError {
  return new CutoverError({
    code: "needs-not-met",
    message: `${release} cannot be rolled out: versions on one host would not work together`,
    evidence: broken.map((need) => `${need.hosts.join(", ")}: ${describeNeed(need)}`).join("\n"),
    impact: "Nothing was changed on any host",
    remedy: "Ask for versions that fit, or bring the needed component to those hosts first; then push",
  });
}
