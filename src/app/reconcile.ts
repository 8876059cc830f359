// One pass of the loop: fetch, verify, observe, plan, run, report. Safe to repeat at any time; a pass that finds
// nothing to do writes nothing to any host (R5).
import { loadDesired } from "../desired/load-desired.ts";
import { CutoverError } from "../errors.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { RunOutcome } from "../model/run-event.ts";
import { encodeTrust } from "../model/trust.ts";
import { observeFleet } from "../observed/observe-fleet.ts";
import { makePlan } from "../plan/make-plan.ts";
import type { Lease } from "../ports.ts";
import { openRuns, replayRun } from "../run/replay.ts";
import type { Controller } from "./controller.ts";
import { recall, remember } from "./controller-memory.ts";
import { keepQuarantines, type RunContext, type RunResult, type RunWatcher, resumeRun, startRun } from "./execute-run.ts";
import { type LoadedVersion, loadPublished, type WantedVersion } from "./load-published.ts";
import { publishStatus } from "./publish-status.ts";

export interface ReleaseResult {
  readonly release: string;
  readonly plan: Plan;
  /** Undefined when there was nothing to run. */
  readonly run: RunResult | undefined;
  readonly outcome: RunOutcome | "in-sync" | "stalled" | "waiting";
}
export interface PassResult {
  readonly commit: string;
  /** Runs that an earlier controller had left open, as they stand now. */
  readonly resumed: readonly RunResult[];
  readonly results: readonly ReleaseResult[];
  /** Set when the status is true but could not be written to git; the next pass writes it. */
  readonly notPublished?: string;
}

export interface PassInput {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly watcher: RunWatcher;
  readonly signal: AbortSignal;
}

/** Finishes what an earlier controller left open, then makes the world look like the newest trusted commit. */
export async function reconcile(input: PassInput): Promise<PassResult> {
  const { controller } = input;
  const lastRun = (await controller.journal.streams("run/")).at(-1)?.slice("run/".length);
  if (lastRun !== undefined) await keepQuarantines(controller, lastRun);
  const desired = await acceptCommit(controller);
  const resumed = await resumeOpenRuns(input, desired);
  const stuck = resumed.find(({ state }) => state.outcome === undefined);
  const results = stuck ? describeWaiting(desired, stuck) : await reconcileReleases(input, desired);
  const notPublished = await publishStatus({ controller, lease: input.lease, desired, results });
  return { commit: desired.commit, resumed, results, ...(notPublished === undefined ? {} : { notPublished }) };
}

/** The newest commit, checked against the Trust of the last accepted one; accepting it is journaled before it is used. */
async function acceptCommit(controller: Controller): Promise<Desired> {
  const memory = await recall(controller);
  const head = await controller.repository.fetch();
  await refuseRewrittenHistory(controller, memory.acceptedCommit, head.commit);
  const loaded = await loadDesired(controller.repository, { commit: head.commit, directory: controller.settings.directory, trust: memory.trust });
  if (memory.acceptedCommit !== head.commit) {
    await remember(controller, { kind: "commit-accepted", commit: head.commit, signer: loaded.signer, trust: encodeTrust(loaded.nextTrust) });
  }
  return loaded.desired;
}

/** A branch that no longer contains what was accepted is followed only when a person says so (F23). */
async function refuseRewrittenHistory(controller: Controller, accepted: string | undefined, commit: string): Promise<void> {
  if (accepted === undefined || accepted === commit || (await controller.repository.isAncestor(accepted, commit))) return;
  throw new CutoverError({
    code: "history-rewritten",
    message: `The release branch no longer contains ${accepted.slice(0, 12)}, the commit that was accepted last`,
    evidence: `it is at ${commit.slice(0, 12)} now`,
    impact: "Hosts stay as they are",
    remedy: "bring the accepted commit back into the branch (merge it), then push",
  });
}

interface Scope {
  readonly wanted: readonly WantedVersion[];
  readonly hosts: ReadonlySet<string>;
}

/** Everything that planning and running need to know, collected once (R65). */
async function contextFor(input: PassInput, desired: Desired, { wanted, hosts }: Scope): Promise<RunContext> {
  const { controller } = input;
  const versions = await loadPublished(controller, wanted, (await recall(controller)).trust);
  const observations = await observeFleet({ ...controller, hosts: desired.hosts.filter(({ name }) => hosts.has(name)), concurrency: controller.settings.concurrency });
  return { ...input, desired, versions, observations };
}

function scopeOfRelease(release: DesiredRelease): Scope {
  const targets = release.components.flatMap(({ name, targets }) => targets.map(({ host, version }) => ({ host, component: name, version })));
  return { wanted: targets, hosts: new Set(targets.map(({ host }) => host)) };
}

function scopeOfPlan(plan: Plan | undefined): Scope {
  const changes = plan?.changes ?? [];
  return { wanted: changes.map(({ component, to }) => ({ component, version: to })), hosts: new Set(changes.map(({ host }) => host)) };
}

/** An open run goes on with its own plan, whatever git says by now. */
async function resumeOpenRuns(input: PassInput, desired: Desired): Promise<RunResult[]> {
  const results: RunResult[] = [];
  for (const run of await openRuns(input.controller.journal)) {
    const { state } = await replayRun(input.controller.journal, run);
    results.push(await resumeRun(await contextFor(input, desired, scopeOfPlan(state.plan)), run));
  }
  return results;
}

async function reconcileReleases(input: PassInput, desired: Desired): Promise<ReleaseResult[]> {
  const results: ReleaseResult[] = [];
  for (const release of desired.releases) {
    input.signal.throwIfAborted();
    results.push(await reconcileRelease(input, desired, release));
  }
  return results;
}

async function reconcileRelease(input: PassInput, desired: Desired, release: DesiredRelease): Promise<ReleaseResult> {
  const context = await contextFor(input, desired, scopeOfRelease(release));
  const plan = await planRelease(context, desired, release);
  if (plan.changes.length === 0) return { release: release.name, plan, run: undefined, outcome: plan.held.length > 0 ? "stalled" : "in-sync" };
  const run = await startRun(context, { plan, commit: desired.commit, generation: desired.generation });
  return { release: release.name, plan, run, outcome: run.state.outcome ?? "waiting" };
}

/** Also behind `cutover plan`: observes, changes nothing. */
export async function planRelease(context: Pick<RunContext, "controller" | "versions" | "observations">, desired: Desired, release: DesiredRelease): Promise<Plan> {
  const memory = await recall(context.controller);
  const fleetHold = memory.holds.get("*");
  const holds = fleetHold === undefined ? memory.holds : new Map(desired.hosts.map(({ name }) => [name, fleetHold]));
  return makePlan({
    release,
    generation: desired.generation,
    observations: context.observations,
    published: publishedOf(context.versions),
    holds,
    quarantined: new Map([...memory.quarantined].map(([key, entry]) => [key, entry.evidence])),
  });
}

function publishedOf(versions: ReadonlyMap<string, LoadedVersion>) {
  return new Map([...versions].map(([key, { published }]) => [key, published]));
}

/** A run that waits for unknown hosts keeps everything else from starting. */
function describeWaiting(desired: Desired, stuck: RunResult): ReleaseResult[] {
  const plan = stuck.state.plan;
  if (plan === undefined) return [];
  return desired.releases.filter(({ name }) => name === plan.release).map(({ name }) => ({ release: name, plan, run: stuck, outcome: "waiting" as const }));
}
