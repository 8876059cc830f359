// One release comes up: it is planned beside the runs that are open, and what can be done is started. Whoever waits for the
// run's end completes the result then; the next release comes up meanwhile.
import { CutoverError } from "../errors.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Plan } from "../model/plan.ts";
import type { Trust } from "../model/trust.ts";
import type { SliceTerm } from "../plan/parse-slice.ts";
import { approvalMessage, judgeApproval, type KnownTrailers, keepApproval } from "./approval.ts";
import { backOffOf, type FirstRetry } from "./back-off.ts";
import { refuseUnsafeSlice } from "./check-order.ts";
import type { Controller } from "./controller.ts";
import { recall } from "./controller-memory.ts";
import { sliceToRun } from "./cut-slice.ts";
import type { RunResult } from "./execute-run.ts";
import type { ReleaseResult } from "./pass-result.ts";
import { keptFromStart, planBeside } from "./plan-beside.ts";
import { contextForRelease, runSources, type Snapshot } from "./release-context.ts";
import {
  blockedResult,
  failedResult,
  isReleaseFailure,
  troubleOfBackOff,
  underWayResult,
  waitingFor,
} from "./release-trouble.ts";
import type { DrivenRun, OpenRun, RunPool } from "./run-pool.ts";

export interface ConsiderInput {
  readonly controller: Controller;
  readonly pool: RunPool;
  /** Ends the planning; runs that were started go on. */
  readonly signal: AbortSignal;
  readonly firstRetry: FirstRetry;
  readonly knownTrailers: KnownTrailers | undefined;
  /** Only these parts of plans, any of them; all when left out. */
  readonly terms?: readonly SliceTerm[];
}

export type Considered =
  | { readonly kind: "settled"; readonly result: ReleaseResult }
  | {
      readonly kind: "started";
      readonly release: string;
      readonly driven: DrivenRun;
      complete(run: RunResult): Promise<ReleaseResult>;
    };

export async function considerRelease(
  input: ConsiderInput,
  desired: Desired,
  release: DesiredRelease,
): Promise<Considered> {
  const { pool } = input;
  const mine = pool.open().filter(({ plan }) => plan.release === release.name);
  // The same documents were planned whole: what that run left out comes up again when it has ended.
  const same = mine.find(({ generation, isWayBack }) => generation === desired.generation && !isWayBack);
  if (same !== undefined) return settled(underWayResult(same));
  const planned = await planToStart(input, desired, release);
  return "plan" in planned ? startPlanned(input, { desired, release, planned }) : settled(planned.result);
}

interface Planned {
  readonly plan: Plan;
  readonly context: Snapshot;
  /** Runs that were open when its hosts were asked. */
  readonly beside: readonly OpenRun[];
}

const settled = (result: ReleaseResult): Considered => ({ kind: "settled", result });

async function planToStart(
  { controller, pool, signal }: ConsiderInput,
  desired: Desired,
  release: DesiredRelease,
): Promise<Planned | { readonly result: ReleaseResult }> {
  const { commit, hosts } = desired;
  const beside = pool.open();
  const { trust } = await recall(controller);
  try {
    const context = await contextForRelease({ controller, trust, release, hosts, commit });
    const { observations } = context;
    const open = openSince(beside, pool.open());
    const planned = await planBeside(controller, { context, release, desired, open });
    if ("blocked" in planned) return { result: blockedResult(release.name, planned.blocked, { observations }) };
    const { plan } = planned;
    if (plan.changes.length > 0) return { plan, context, beside };
    const [run] = open.filter((each) => each.plan.release === release.name);
    if (run !== undefined) return { result: underWayResult(run) };
    const outcome = plan.held.length > 0 ? "stalled" : "in-sync";
    return { result: { release: release.name, plan, observations, run: undefined, outcome } };
  } catch (error) {
    if (signal.aborted || !isReleaseFailure(error)) throw error;
    return { result: failedResult(release.name, error) };
  }
}

/** With those that ended since hosts were asked, which were seen in their middle: as if under way, so that the release comes up again. */
function openSince(before: readonly OpenRun[], now: readonly OpenRun[]): OpenRun[] {
  const ended = before.filter(({ run }) => now.every((each) => each.run !== run));
  return [...ended.map((run): OpenRun => ({ ...run, state: "under-way", stands: undefined })), ...now];
}

async function startPlanned(
  { controller, pool, signal, firstRetry, knownTrailers, terms }: ConsiderInput,
  { desired, release, planned }: { desired: Desired; release: DesiredRelease; planned: Planned },
): Promise<Considered> {
  const { context } = planned;
  const { commit, generation, hosts: fleet } = desired;
  const { trust } = await recall(controller);
  const base = { release: release.name, plan: planned.plan, observations: context.observations, run: undefined };
  const known = knownTrailers === undefined ? {} : { known: knownTrailers };
  const { versions } = context;
  const approval = await judgeApproval(controller, {
    ...{ release, plan: planned.plan, desired, versions, atlas: context.atlas, trust },
    ...known,
  });
  if (approval.kind === "stalled") {
    const { reason, next } = approval;
    return settled({
      ...base,
      outcome: "stalled",
      trouble: { reason, message: approvalMessage(approval), next },
    });
  }
  await keepApproval(controller, approval);
  // What was agreed to is the whole plan; a part of it is less (P12).
  const meant = await partOf(controller, { ...planned, release, trust, terms, desired });
  if (meant === undefined) return settled({ ...base, outcome: "in-sync" });
  if (meant instanceof CutoverError) return settled(failedResult(release.name, meant));
  const tries = { plan: meant, firstRetry };
  const before = await backOffOf(controller, tries);
  if (before !== undefined && controller.clock.now() < before.nextTryAt)
    return settled({ ...base, outcome: "stalled", backOff: before, trouble: troubleOfBackOff(before) });
  signal.throwIfAborted();
  // From here to the start nothing else of this process runs, so what is free now is free then.
  const open = openSince(planned.beside, pool.open());
  const blocked = keptFromStart(meant, { desired, open });
  if (blocked.length > 0) return settled(blockedResult(release.name, blocked, base));
  const sources = runSources({ controller, trust }, context);
  return {
    kind: "started",
    release: release.name,
    driven: pool.start({ plan: meant, commit, generation, fleet }, sources),
    async complete(run) {
      const after = await backOffOf(controller, tries);
      // Only this run's own end counts: one that quarantined a version is held by that, not by a pause.
      const failed = after?.run === run.run ? after : undefined;
      return {
        ...base,
        plan: meant,
        run,
        outcome: run.state.outcome ?? "waiting",
        ...(run.state.outcome === undefined ? waitingFor(run.run, run.state) : {}),
        ...(failed === undefined ? {} : { backOff: failed, trouble: troubleOfBackOff(failed) }),
      };
    },
  };
}

interface PartRequest extends Planned {
  readonly release: DesiredRelease;
  readonly trust: Trust;
  readonly terms: ConsiderInput["terms"] | undefined;
  readonly desired: Pick<Desired, "hosts">;
}

/** Undefined when nothing of the plan is meant. */
async function partOf(
  controller: Controller,
  { plan, context, release, trust, terms = [], desired }: PartRequest,
): Promise<Plan | CutoverError | undefined> {
  if (terms.length === 0) return plan;
  try {
    const part = sliceToRun({ plan, terms, hosts: desired.hosts });
    if (part !== undefined) await refuseUnsafeSlice(controller, { ...context, plan: part, release, trust });
    return part;
  } catch (error) {
    if (error instanceof CutoverError) return error;
    throw error;
  }
}
