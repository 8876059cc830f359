// `cutover plan`: what a pass would do now. Observes, takes no lease, changes nothing.
import type { CutoverError } from "../errors.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { RiskItem } from "../model/review.ts";
import type { RunId } from "../model/run-event.ts";
import { assessRisk } from "../plan/assess-risk.ts";
import { type Approval, judgeApproval } from "./approval.ts";
import { type BackOff, backOffOf } from "./back-off.ts";
import { type Blocked, runsOf } from "./beside-open-runs.ts";
import { refuseUnsafeSlice } from "./check-order.ts";
import type { Controller } from "./controller.ts";
import { cutSlice, sliceTerms } from "./cut-slice.ts";
import { keptFromStart, planBeside } from "./plan-beside.ts";
import { readNewest } from "./read-newest.ts";
import { contextForRelease } from "./release-context.ts";
import { isReleaseFailure, troubleOfBlocked } from "./release-trouble.ts";
import { isOfSlice, runsBehind, runsInTheWay } from "./slice-beside-runs.ts";
import { carriesOut, type StandingRun, standingRuns } from "./standing-runs.ts";
import { traitsOf } from "./version-traits.ts";

export interface PlannedReleases {
  readonly commit: string;
  /** Whole, or the slices that were asked for; releases of which nothing is meant are left out then. */
  readonly plans: readonly Plan[];
  /** By release: why its slice cannot be run alone. */
  readonly missing: ReadonlyMap<string, readonly string[]>;
  /** By release: what a review would say of what is planned now; what is under way was agreed to, and has no entry. */
  readonly risks: ReadonlyMap<string, readonly RiskItem[]>;
  /** Plans that failed before and wait for their next try by `serve`. */
  readonly backOffs: readonly BackOff[];
  /** Releases whose policy asks for an approval, and how that stands. */
  readonly approvals: ReadonlyMap<string, Approval>;
  /** Releases that cannot be planned, and why; the others are. */
  readonly failed: readonly { readonly release: string; readonly error: CutoverError }[];
  /** Runs that have not ended. One that carries out the newest documents has its own plan among `plans`. */
  readonly open: readonly StandingRun[];
  /** Open runs of a release, its way back among them, that hold what the documents ask of it otherwise: that comes up once they have ended. */
  readonly outdated: readonly StandingRun[];
  /** Releases that a pass would not start now, and why; of one that is claimed by another's run there is no plan. */
  readonly waiting: readonly WaitingRelease[];
  /** Of a slice: open runs beside which it would be refused. */
  readonly inTheWay: readonly StandingRun[];
  /** Of a slice: open runs of releases that have nothing of it left before that run has ended; it is not planned for them. */
  readonly behind: readonly StandingRun[];
  readonly warnings: readonly Diagnostic[];
  /** Keyed by host; the snapshot that the plans were made from (R65). */
  readonly observations: ReadonlyMap<string, Observation>;
}

export interface WaitingRelease {
  readonly release: string;
  readonly reason: string;
  readonly message: string;
  /** Runs that have to end before. */
  readonly by: readonly RunId[];
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
  const waiting: WaitingRelease[] = [];
  const missing = new Map<string, readonly string[]>();
  const risks = new Map<string, readonly RiskItem[]>();
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
      const own = open.filter((run) => run.plan.release === release.name);
      // Beside its own run a part is refused, and not planned around it.
      const beside = terms.length === 0 ? open : open.filter((run) => run.plan.release !== release.name);
      const planned = await planBeside(controller, { context, release, desired, open: beside });
      if ("blocked" in planned) {
        const holder = own.find(({ run }) => planned.blocked.some(({ by }) => by.run === run));
        if (holder !== undefined) {
          outdated.push(holder);
          plans.push(holder.plan);
        }
        waiting.push(...waitingOf(release.name, planned.blocked.filter(({ by }) => by.plan.release !== release.name))); // biome-ignore format: one line
        continue;
      }
      const { plan } = planned;
      const [first] = terms.length === 0 ? own : [];
      if (plan.changes.length === 0 && first !== undefined) {
        plans.push(first.plan);
        continue;
      }
      const slice = terms.length === 0 ? undefined : cutSlice({ plan, terms, hosts: desired.hosts });
      if (terms.length > 0 && slice === undefined) continue;
      if (slice !== undefined)
        await refuseUnsafeSlice(controller, { ...context, plan: slice.plan, release, trust: loaded.nextTrust });
      const meant = slice?.plan ?? plan;
      plans.push(meant);
      risks.set(release.name, assessRisk({ plan: meant, traits: traitsOf(context.versions) }));
      if (slice !== undefined) missing.set(release.name, slice.missing);
      if (meant.changes.length > 0)
        waiting.push(...waitingOf(release.name, keptFromStart(meant, { desired, open: beside })));
      approvals.set(
        release.name,
        await judgeApproval(controller, {
          ...{ release, plan, desired, versions: context.versions, atlas: context.atlas },
          trust: loaded.nextTrust,
        }),
      );
      const tries = { plan: meant, firstRetry: "after-a-pause" } as const;
      const backOff = plan.changes.length === 0 ? undefined : await backOffOf(controller, tries);
      if (backOff !== undefined && controller.clock.now() < backOff.nextTryAt) backOffs.push(backOff);
    } catch (error) {
      if (!isReleaseFailure(error)) throw error;
      failed.push({ release: release.name, error });
    }
  }
  await controller.executor.close();
  const found = { commit: desired.commit, plans, missing, risks, backOffs, approvals, failed };
  return { ...found, open, outdated, waiting, inTheWay, behind, warnings, observations };
}

function waitingOf(release: string, blocked: readonly Blocked[]): WaitingRelease[] {
  const { reason, message } = troubleOfBlocked(blocked);
  return blocked.length === 0 ? [] : [{ release, reason, message, by: runsOf(blocked) }];
}
