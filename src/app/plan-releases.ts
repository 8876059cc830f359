// `cutover plan`: what a pass would do now. Observes, takes no lease, changes nothing.
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { Controller } from "./controller.ts";
import { readNewest } from "./read-newest.ts";
import { contextForRelease, planRelease } from "./release-context.ts";

export interface PlannedReleases {
  readonly commit: string;
  readonly plans: readonly Plan[];
  /** Keyed by host; the snapshot that the plans were made from (R65). */
  readonly observations: ReadonlyMap<string, Observation>;
}

export async function planReleases({ controller }: { readonly controller: Controller }): Promise<PlannedReleases> {
  const { loaded } = await readNewest(controller);
  const { desired } = loaded;
  const plans: Plan[] = [];
  const observations = new Map<string, Observation>();
  for (const release of desired.releases) {
    const context = await contextForRelease({ controller, trust: loaded.nextTrust, release, hosts: desired.hosts });
    for (const [host, observation] of context.observations) observations.set(host, observation);
    plans.push(await planRelease(controller, { context, release, desired }));
  }
  await controller.executor.close();
  return { commit: desired.commit, plans, observations };
}
