// A component lives below a directory that its host was enrolled with. The host holds to that by itself; asked here, the answer
// comes before any byte is sent, with what to do.
import { CutoverError } from "../errors.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import { hostComponentName } from "./keys.ts";

export interface RootsCheck {
  readonly plan: Pick<Plan, "changes" | "release">;
  readonly observations: ReadonlyMap<string, Observation>;
  /** Keyed by `component@version`. */
  readonly published: ReadonlyMap<string, PublishedVersion>;
}

/** Throws `root-outside-base`, naming every host. One with an older host.sh does not say its bases, and refuses by itself. */
export function refuseRootsOutside({ plan, observations, published }: RootsCheck): void {
  const outside = plan.changes.flatMap(({ host, component, to }) => {
    // host.sh has a place of its own, in the state directory.
    if (component === hostComponentName) return [];
    const observation = observations.get(host);
    const bases = observation?.kind === "observed" ? observation.facts.bases : undefined;
    const root = published.get(`${component}@${to}`)?.root;
    if (bases === undefined || root === undefined || bases.some((base) => root.startsWith(`${base}/`))) return [];
    return [{ host, component, text: `${host}: ${root} of ${component} ${to} is not below ${bases.join(" or ")}` }];
  });
  const [first] = outside;
  if (first === undefined) return;
  throw new CutoverError({
    code: "root-outside-base",
    message: `${plan.release} cannot be rolled out: ${first.component} would live where its hosts do not allow it`,
    evidence: outside.map(({ text }) => text).join("\n"),
    impact: "Nothing was sent to any host",
    remedy: `correct root in the Component and publish a new version, or enrol again with that --base as well: cutover host enrol ${first.host} … --base …`,
  });
}
