// `cutover plan`: what a pass would do now. Observes, takes no lease, changes nothing.
import type { CutoverError } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import { claimsOf } from "../plan/claims.ts";
import { type Approval, judgeApproval } from "./approval.ts";
import { type BackOff, backOffOf } from "./back-off.ts";
import { claimedTargets } from "./beside-open-runs.ts";
import { refuseUnsafeSlice } from "./check-order.ts";
import type { Controller } from "./controller.ts";
import { cutSlice, sliceTerms } from "./cut-slice.ts";
import { readNewest } from "./read-newest.ts";
import { contextForRelease, planRelease, type Snapshot } from "./release-context.ts";
import { isReleaseFailure } from "./release-trouble.ts";
import { isOfSlice, runsBehind, runsInTheWay } from "./slice-beside-runs.ts";
import { carriesOut, type StandingRun, standingRuns } from "./standing-runs.ts";

export interface PlannedReleases {
  readonly commit: string;
  /** Whole, or the slices that were asked for; releases of which nothing is meant are left out then. */
  readonly plans: readonly Plan[];
  /** By release: why its slice cannot be run alone. */
  readonly missing: ReadonlyMap<string, readonly string[]>;
  /** Plans that failed before and wait for their next try by `serve`. */
  readonly backOffs: readonly BackOff[];
  /** Releases whose policy asks for an approval, and how that stands. */
  readonly approvals: ReadonlyMap<string, Approval>;
  /** Releases that cannot be planned, and why; the others are. */
  readonly failed: readonly { readonly release: string; readonly error: CutoverError }[];
  /** Runs that have not ended. One that carries out the newest documents has its own plan among `plans`. */
  readonly open: readonly StandingRun[];
  /** Open runs of a release that hold what newer documents ask of it otherwise: those come up once the run has ended. */
  readonly outdated: readonly StandingRun[];
  /** Of a slice: open runs beside which it would be refused. */
  readonly inTheWay: readonly StandingRun[];
  /** Of a slice: open runs of releases that have nothing of it left before that run has ended; it is not planned for them. */
  readonly behind: readonly StandingRun[];
  readonly warnings: readonly Diagnostic[];
  /** Keyed by host; the snapshot that the plans were made from (R65). */
  readonly observations: ReadonlyMap<string, Observation>;
}

export interface PlanReleasesInput {
  readonly controller: Controller;
  /** Parts of the plans, as typed; all of them when left out. */
  readonly slices?: readonly string[];
}

export async function planReleases({ controller, slices = [] }: PlanReleasesInput): Promise<PlannedReleases> {
  const { loaded } = await readNewest(controller);
  const { desired, warnings } = loaded;
  const terms = sliceTerms(slices, desired);
  const open = await standingRuns(controller.journal);
  const inTheWay = terms.length === 0 ? [] : runsInTheWay({ desired, terms, open });
  const behind = terms.length === 0 ? [] : runsBehind({ desired, terms, open });
  const plans: Plan[] = [];
  const outdated: StandingRun[] = [];
  const missing = new Map<string, readonly string[]>();
  const backOffs: BackOff[] = [];
  const approvals = new Map<string, Approval>();
  const failed: { release: string; error: CutoverError }[] = [];
  const observations = new Map<string, Observation>();
  for (const release of desired.releases) {
    if (behind.some(({ plan }) => plan.release === release.name)) continue;
    // What is planned anew has other batches than what is under way, under the same hash.
    const asked = { release: release.name, generation: desired.generation };
    const running = open.find((run) =>
      terms.length === 0 ? carriesOut(run, asked) : run.plan.release === release.name && isOfSlice(run, terms),
    );
    if (running !== undefined) {
      plans.push(running.plan);
      continue;
    }
    try {
      const context = await contextForRelease({
        controller,
        trust: loaded.nextTrust,
        release,
        hosts: desired.hosts,
        commit: desired.commit,
      });
      for (const [host, observation] of context.observations) observations.set(host, observation);
      const older = terms.length > 0 ? undefined : holderOf({ release, versions: context.versions, open });
      if (older !== undefined) {
        outdated.push(older);
        plans.push(older.plan);
        continue;
      }
      const plan = await planRelease(controller, { context, release, desired });
      const slice = terms.length === 0 ? undefined : cutSlice({ plan, terms, hosts: desired.hosts });
      if (terms.length > 0 && slice === undefined) continue;
      if (slice !== undefined)
        await refuseUnsafeSlice(controller, { ...context, plan: slice.plan, release, trust: loaded.nextTrust });
      plans.push(slice?.plan ?? plan);
      if (slice !== undefined) missing.set(release.name, slice.missing);
      approvals.set(
        release.name,
        await judgeApproval(controller, {
          ...{ release, plan, desired, versions: context.versions, atlas: context.atlas },
          trust: loaded.nextTrust,
        }),
      );
      const tries = { plan: slice?.plan ?? plan, firstRetry: "after-a-pause" } as const;
      const backOff = plan.changes.length === 0 ? undefined : await backOffOf(controller, tries);
      if (backOff !== undefined && controller.clock.now() < backOff.nextTryAt) backOffs.push(backOff);
    } catch (error) {
      if (!isReleaseFailure(error)) throw error;
      failed.push({ release: release.name, error });
    }
  }
  await controller.executor.close();
  const found = { commit: desired.commit, plans, missing, backOffs, approvals, failed };
  return { ...found, open, outdated, inTheWay, behind, warnings, observations };
}

/** The open run of this release beside which a pass would not even plan what is asked for now. */
function holderOf({
  release,
  versions,
  open,
}: {
  readonly release: DesiredRelease;
  readonly versions: Snapshot["versions"];
  readonly open: readonly StandingRun[];
}): StandingRun | undefined {
  const published = new Map([...versions].map(([key, version]) => [key, version.published]));
  const mine = open.filter(({ plan, isWayBack }) => plan.release === release.name && !isWayBack);
  const holders = mine.map(({ run, plan }) => ({ run, plan, claims: claimsOf(plan), since: 0, unwell: new Set<string>() })); // biome-ignore format: one line
  const [first] = claimedTargets({ release, published, open: holders }).blocked;
  return mine.find(({ run }) => run === first?.by.run);
}
