// What starts and switches a component has to be there on its hosts: units need a systemd, and a cutover that may ask it. Each host checks
// that and its units by itself before anything is switched (host/check.sh); what it says of itself is asked here, before any byte is sent.
import { CutoverError } from "../errors.ts";
import type { HostFacts, Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";

export interface ManagersCheck {
  readonly plan: Pick<Plan, "changes" | "release">;
  readonly observations: ReadonlyMap<string, Observation>;
  /** Keyed by `component@version`. */
  readonly published: ReadonlyMap<string, Pick<PublishedVersion, "manager">>;
}

/** Throws `strategy-not-carried`, naming every host. A host that does not answer is left alone anyway. */
export function refuseMissingManagers({ plan, observations, published }: ManagersCheck): void {
  const uncarried = plan.changes.flatMap(({ host, component, to, strategy }) => {
    const observation = observations.get(host);
    if (observation?.kind !== "observed" || published.get(`${component}@${to}`)?.manager !== "systemd") return [];
    const why = withoutUnits(observation.facts);
    if (why === undefined) return [];
    return [
      { component, text: `${host}: strategy ${strategy} of ${component} ${to} switches systemd units, and ${why}` },
    ];
  });
  const [first] = uncarried;
  if (first === undefined) return;
  throw new CutoverError({
    code: "strategy-not-carried",
    message: `${plan.release} cannot be rolled out: hosts of ${first.component} cannot carry how it is switched`,
    evidence: uncarried.map(({ text }) => text).join("\n"),
    impact: "Nothing was sent to any host",
    remedy: `publish ${first.component} with manager process, or list it at hosts with systemd that were enrolled as root, without --prefix: cutover help host enrol`,
  });
}

/** Undefined where the host can start and stop units. */
function withoutUnits({ mode, systemd }: HostFacts): string | undefined {
  if (!systemd) return "no systemd runs there";
  return mode === "system" ? undefined : "cutover was enrolled there without root (--prefix), so it may not touch them";
}
