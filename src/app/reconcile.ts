// One pass of the loop: fetch, verify, observe, plan, run, report. Safe to repeat at any time; a pass that finds
// nothing to do writes nothing to any host (R5).
import { loadDesired } from "../desired/load-desired.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Host } from "../model/fleet.ts";
import type { Plan } from "../model/plan.ts";
import type { RunOutcome } from "../model/run-event.ts";
import { encodeTrust } from "../model/trust.ts";
import { observeFleet } from "../observed/observe-fleet.ts";
import { makePlan } from "../plan/make-plan.ts";
import type { Lease } from "../ports.ts";
import { openRuns, replayRun } from "../run/replay.ts";
import type { Controller } from "./controller.ts";
import { recall, remember } from "./controller-memory.ts";
import {
  keepQuarantines,
  type RunContext,
  type RunResult,
  type RunWatcher,
  resumeRun,
  startRun,
} from "./execute-run.ts";
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
  const resumed = await resumeOpenRuns(input);
  const desired = await acceptCommit(controller);
  const stuck = resumed.find(({ state }) => state.outcome === undefined);
  const results = stuck ? describeWaiting(desired, stuck) : await reconcileReleases(input, desired);
  const notPublished = await publishStatus({ controller, lease: input.lease, desired, results });
  return { commit: desired.commit, resumed, results, ...(notPublished === undefined ? {} : { notPublished }) };
}

/** The newest commit, checked against the Trust of the last accepted one; accepting it is journaled before it is used. */
export async function acceptCommit(controller: Controller): Promise<Desired> {
  const { acceptedCommit, trust } = await recall(controller);
  const { commit } = await controller.repository.fetch();
  const { repository, settings } = controller;
  const loaded = await loadDesired({
    repository,
    commit,
    directory: settings.directory,
    trust,
    ...(acceptedCommit === undefined ? {} : { accepted: acceptedCommit }),
  });
  if (acceptedCommit !== commit) {
    await remember(controller, {
      kind: "commit-accepted",
      commit,
      signer: loaded.signer,
      trust: encodeTrust(loaded.trust),
    });
  }
  return loaded.desired;
}

interface Scope {
  readonly wanted: readonly WantedVersion[];
  readonly hosts: readonly Host[];
}

/** Everything that planning and running need to know, collected once (R65). */
async function contextFor(input: PassInput, { wanted, hosts }: Scope): Promise<RunContext> {
  const { controller } = input;
  const versions = await loadPublished(controller, wanted, (await recall(controller)).trust);
  const observations = await observeFleet({ ...controller, hosts, concurrency: controller.settings.concurrency });
  return { ...input, versions, observations };
}

function scopeOfRelease(release: DesiredRelease, hosts: readonly Host[]): Scope {
  const wanted = release.components.flatMap(({ name, targets }) =>
    targets.map(({ host, version }) => ({ host, component: name, version })),
  );
  const names = new Set(wanted.map(({ host }) => host));
  return { wanted, hosts: hosts.filter(({ name }) => names.has(name)) };
}

/** An open run goes on with its own plan and fleet, whatever git says by now, and also when git cannot be reached. */
async function resumeOpenRuns(input: PassInput): Promise<RunResult[]> {
  const results: RunResult[] = [];
  for (const run of await openRuns(input.controller.journal)) {
    const { state } = await replayRun(input.controller.journal, run);
    const wanted = (state.plan?.changes ?? []).map(({ component, to }) => ({ component, version: to }));
    results.push(await resumeRun(await contextFor(input, { wanted, hosts: state.fleet }), run));
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
  const context = await contextFor(input, scopeOfRelease(release, desired.hosts));
  const plan = await planRelease(context, desired, release);
  if (plan.changes.length === 0)
    return { release: release.name, plan, run: undefined, outcome: plan.held.length > 0 ? "stalled" : "in-sync" };
  const run = await startRun(context, {
    plan,
    commit: desired.commit,
    generation: desired.generation,
    fleet: desired.hosts,
  });
  return { release: release.name, plan, run, outcome: run.state.outcome ?? "waiting" };
}

/** Also behind `cutover plan`: observes, changes nothing. */
export async function planRelease(
  context: Pick<RunContext, "controller" | "versions" | "observations">,
  desired: Desired,
  release: DesiredRelease,
): Promise<Plan> {
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
  return desired.releases
    .filter(({ name }) => name === plan.release)
    .map(({ name }) => ({ release: name, plan, run: stuck, outcome: "waiting" as const }));
}
