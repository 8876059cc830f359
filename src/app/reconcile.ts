// One pass of the loop: fetch, verify, observe, plan, run, report. Safe to repeat at any time; a pass that finds
// nothing to do writes nothing to any host (R5).
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { RunOutcome } from "../model/run-event.ts";
import { encodeTrust } from "../model/trust.ts";
import type { Lease } from "../ports.ts";
import { openRuns, replayRun } from "../run/replay.ts";
import type { Controller } from "./controller.ts";
import { recall, remember } from "./controller-memory.ts";
import { keepQuarantines, type RunResult, type RunWatcher, resumeRun, startRun } from "./execute-run.ts";
import { publishStatus } from "./publish-status.ts";
import { readNewest } from "./read-newest.ts";
import { contextForRelease, planRelease, takeSnapshot } from "./release-context.ts";

export interface ReleaseResult {
  readonly release: string;
  readonly plan: Plan;
  /** The snapshot that the plan was made from; empty while an older run waits. */
  readonly observations: ReadonlyMap<string, Observation>;
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
  const { notPublished } = await publishStatus({ controller, lease: input.lease, desired, results });
  return { commit: desired.commit, resumed, results, ...(notPublished === undefined ? {} : { notPublished }) };
}

/** The newest commit, checked against the Trust of the last accepted one; accepting it is journaled before it is used. */
async function acceptCommit(controller: Controller): Promise<Desired> {
  const { acceptedCommit, loaded } = await readNewest(controller);
  const { commit } = loaded.desired;
  if (acceptedCommit !== commit) {
    await remember(controller, {
      kind: "commit-accepted",
      commit,
      signer: loaded.signer,
      trust: encodeTrust(loaded.nextTrust),
    });
  }
  return loaded.desired;
}

/** An open run goes on with its own plan and fleet, whatever git says by now, and also when git cannot be reached. */
async function resumeOpenRuns(input: PassInput): Promise<RunResult[]> {
  const { controller } = input;
  const { trust } = await recall(controller);
  const results: RunResult[] = [];
  for (const run of await openRuns(controller.journal)) {
    const { state } = await replayRun(controller.journal, run);
    const wanted = (state.plan?.changes ?? []).map(({ component, to }) => ({ component, version: to }));
    const snapshot = await takeSnapshot({ controller, trust, wanted, hosts: state.fleet });
    results.push(await resumeRun({ ...input, ...snapshot }, run));
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
  const { controller } = input;
  const { trust } = await recall(controller);
  const context = await contextForRelease({ controller, trust, release, hosts: desired.hosts });
  const plan = await planRelease(controller, { context, release, desired });
  const { commit, generation, hosts: fleet } = desired;
  if (plan.changes.length === 0) {
    return {
      release: release.name,
      plan,
      ...context,
      run: undefined,
      outcome: plan.held.length > 0 ? "stalled" : "in-sync",
    };
  }
  const run = await startRun({ ...input, ...context }, { plan, commit, generation, fleet });
  return { release: release.name, plan, ...context, run, outcome: run.state.outcome ?? "waiting" };
}

/** A run that waits for unknown hosts keeps everything else from starting. */
function describeWaiting(desired: Desired, stuck: RunResult): ReleaseResult[] {
  const plan = stuck.state.plan;
  if (plan === undefined) return [];
  const named = desired.releases.filter(({ name }) => name === plan.release);
  return named.map(({ name }) => ({
    release: name,
    plan,
    run: stuck,
    observations: new Map(),
    outcome: "waiting" as const,
  }));
}
