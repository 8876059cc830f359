// Needs between components (R54), by what is signed and by what hosts say runs there: asked before a plan is made, so that
// nothing moves anywhere when one host would end up with versions that do not work together.
import { type BrokenNeed, brokenNeeds, describeNeed } from "../desired/component-needs.ts";
import { CutoverError } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { PublishedVersion } from "../model/published-version.ts";

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

function notMet(release: string, broken: readonly BrokenNeed[]): CutoverError {
  return new CutoverError({
    code: "needs-not-met",
    message: `${release} cannot be rolled out: versions on one host would not work together`,
    evidence: broken.map((need) => `${need.hosts.join(", ")}: ${describeNeed(need)}`).join("\n"),
    impact: "Nothing was changed on any host",
    remedy: "Ask for versions that fit, or bring the needed component to those hosts first; then push",
  });
}
