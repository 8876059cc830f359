// What is planned of a release beside the runs that are open, and what keeps that from starting: one place for the pass that does it
// and for the look at the plan that foretells it.
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Plan } from "../model/plan.ts";
import { type Blocked, blockedBy, claimedTargets, type Holder } from "./beside-open-runs.ts";
import type { Controller } from "./controller.ts";
import { labelsOf, planRelease, type Snapshot } from "./release-context.ts";

interface BesideRuns {
  readonly desired: Desired;
  /** All of them, of whichever release and whichever way. */
  readonly open: readonly Holder[];
}

/** `blocked`: open runs claim some of it for something else, and it is not even planned. */
export type PlannedBeside = { readonly plan: Plan } | { readonly blocked: readonly Blocked[] };

/** What open runs of the release bring anyway is left to them. */
export async function planBeside(
  controller: Controller,
  { context, release, desired, open }: BesideRuns & { readonly context: Snapshot; readonly release: DesiredRelease },
): Promise<PlannedBeside> {
  const published = new Map([...context.versions].map(([key, version]) => [key, version.published]));
  const { underWay, blocked } = claimedTargets({ release, published, open });
  if (blocked.length > 0) return { blocked };
  return { plan: await planRelease(controller, { context, release, desired, claimed: underWay }) };
}

/** Why the plan, or a part of it, cannot start now; empty when it can. */
export function keptFromStart(plan: Plan, { desired: { limits = [], hosts }, open }: BesideRuns): Blocked[] {
  return blockedBy(plan, open, { limits, labelsOf: labelsOf(hosts) });
}
