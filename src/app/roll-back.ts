// `cutover rollback`: the last run of a release backwards, as a plan of its own. What it goes back from is quarantined,
// or the next pass would bring it again, since git still asks for it (P16).
import { didYouMean, meantName } from "../desired/nearest.ts";
import { CutoverError, UsageError } from "../errors.ts";
import type { Plan, PlannedChange } from "../model/plan.ts";
import type { EventBody, RunId } from "../model/run-event.ts";
import type { Lease } from "../ports.ts";
import { makeAppender } from "../run/append.ts";
import { reduce } from "../run/machine.ts";
import { replayRun, runStream } from "../run/replay.ts";
import { initialRunState, type RunState } from "../run/run-state.ts";
import { type Blocked, blockedBy, blockedText } from "./beside-open-runs.ts";
import type { Controller } from "./controller.ts";
import { recall, remember } from "./controller-memory.ts";
import type { RunWatcher } from "./execute-run.ts";
import { leaveBalancersOut, refuseBeforeItWaits } from "./leave-balancers-out.ts";
import { allOf } from "./pass.ts";
import { planWayBack } from "./plan-way-back.ts";
import { previousRelease } from "./previous-release.ts";
import { runSources, type Snapshot, takeSnapshot } from "./release-context.ts";
import type { NotBegun, RollBackResult } from "./rolled-back.ts";
import type { OperatorAct } from "./run-control.ts";
import { type DrivenRun, type OpenRun, openRunPool, type RunPool } from "./run-pool.ts";
import { publishRunStatus } from "./run-status.ts";
import { refuseOtherVersion } from "./version-changed.ts";

export interface RollBackInput extends OperatorAct {
  readonly controller: Controller;
  readonly lease: Lease;
  /** Needed only when several releases have run. */
  readonly release?: string | undefined;
  /** Hosts that balancers would take out of traffic switch while they are in it. */
  readonly inTraffic?: boolean | undefined;
  readonly watcher: RunWatcher;
  readonly signal: AbortSignal;
}

/**
 * Undoes the open runs of the release where they stand; when it has none, puts the previous versions back after its last one.
 * A way back that was stopped or got stuck goes on when it is asked for again.
 */
export async function rollBackRelease(input: RollBackInput): Promise<RollBackResult> {
  const pool = await openRunPool(input);
  return (await beginRollBack({ ...input, pool })).ended;
}

export interface BegunRollBack {
  readonly run: RunId;
  /** Read back and published. */
  readonly ended: Promise<RollBackResult>;
}

/** Comes back when nothing of what is taken back goes on any more and the way back has begun. */
export async function beginRollBack(input: RollBackInput & { readonly pool: RunPool }): Promise<BegunRollBack> {
  const { controller, lease, pool, by, reason } = input;
  const { back, notBegun } = await goBack(input);
  const [newest, ...others] = back;
  if (newest === undefined) throw new Error("a way back without a run");
  const said = `rolled back by ${by}: ${reason}`;
  const finish = async ({ run, ended }: DrivenRun): Promise<RollBackResult> => {
    const end = await ended;
    if (end.kind === "stopped") throw takenOver(run);
    const notPublished = await pool.publishing(() => publishRunStatus({ controller, lease, run: end.result, said }));
    await controller.executor.close(undefined, run);
    return { ...end.result, ...(notPublished === undefined ? {} : { notPublished }) };
  };
  const all = allOf([newest, ...others].map(finish));
  // The worst of them says how it went.
  const worst = all.then((results) => results.find(({ state }) => !wentBack(state)) ?? firstOf(results));
  const ended = worst.then((result) => (notBegun.length === 0 ? result : { ...result, notBegun }));
  ended.catch(() => {});
  return { run: newest.run, ended };
}

function wentBack({ outcome }: RunState): boolean {
  return outcome === "done" || outcome === "rolled-back";
}

function firstOf<T>([first]: readonly T[]): T {
  if (first === undefined) throw new Error("nothing ended");
  return first;
}

interface GoingBack {
  /** Newest first. */
  readonly back: readonly DrivenRun[];
  readonly notBegun: readonly NotBegun[];
}

async function goBack(input: RollBackInput & { readonly pool: RunPool }): Promise<GoingBack> {
  const { controller, pool } = input;
  const { run, state, earlier } = await lastRunOf(input);
  const plan = state.plan;
  if (plan === undefined) throw new Error(`run ${run} has no plan`);
  const { trust } = await recall(controller);
  const open = pool.open().filter((each) => each.plan.release === plan.release);
  if (open.length > 0) {
    const sources = runSources({ controller, trust });
    const [back, notBegun]: [DrivenRun[], NotBegun[]] = [[], []];
    // Before any of them is stopped.
    for (const { run: wayBack } of input.inTraffic ? open.filter(({ isWayBack }) => isWayBack) : [])
      refuseBeforeItWaits({ run: wayBack, state: (await replayRun(controller.journal, wayBack)).state }, input);
    for (const one of open.reverse()) {
      await pool.stop(one.run, "an operator asked for a rollback");
      // It may have ended just now: then it is taken back like any other, by the next request.
      if (!pool.open().some((each) => each.run === one.run)) continue;
      try {
        if (!one.isWayBack) await remember(controller, ...quarantineAll(movesOf(one.plan), input));
        await markRollback(input, one);
      } catch (error) {
        // What goes back already does so: whoever asked is told of both.
        if (back.length === 0 || !(error instanceof CutoverError)) throw error;
        notBegun.push({ run: one.run, error });
        continue;
      }
      back.push(pool.resume(one.run, sources));
    }
    if (back.length > 0) return { back, notBegun };
    return goBack(input);
  }
  const bad = movesOf(plan);
  const candidates = [...bad, ...sameTrees(bad, earlier)];
  const wanted = candidates.flatMap(({ component, from }) =>
    from === undefined ? [] : [{ component, version: from }],
  );
  const snapshot = await takeSnapshot({ controller, trust, wanted, hosts: state.fleet, fleet: state.fleet });
  const undone = candidates.filter((change) => stillRuns(change, snapshot.observations));
  for (const change of undone) refuseOtherBefore(change, snapshot);
  const release = previousRelease(plan, undone);
  const desired = { hosts: state.fleet, generation: state.generation };
  const back = await planWayBack(controller, { context: snapshot, release, desired, bad, inTraffic: input.inTraffic });
  if (back.changes.length === 0) throw nothingToGoBackTo(back, run);
  const blocked = blockedBy(back, pool.open());
  if (blocked.length > 0) throw claimedByOthers(back, blocked);
  // After planning: a version whose tree did not change would stand in the way of its own way back.
  await remember(controller, ...quarantineAll(bad, input));
  const { commit, generation, fleet } = state;
  const sources = runSources({ controller, trust }, snapshot);
  return { back: [pool.start({ plan: back, commit, generation, fleet, wayBackOf: run }, sources)], notBegun: [] };
}

function movesOf({ changes }: Plan): PlannedChange[] {
  return changes.filter(({ from, to }) => from !== to);
}

function claimedByOthers({ release }: Plan, blocked: readonly Blocked[]): CutoverError {
  const [first] = blocked;
  return new CutoverError({
    code: "claimed",
    message: `${release} cannot be taken back while other runs hold what it needs`,
    evidence: blockedText(blocked),
    impact: "Nothing was changed",
    remedy: `cutover rollback ${first?.by.plan.release ?? ""} --reason '…', or wait until that run has ended: cutover status`,
  });
}

/** Another request took the same run in hand meanwhile. */
function takenOver(run: RunId): CutoverError {
  return new CutoverError({
    code: "run-stopped",
    message: `Run ${run} was stopped for another request`,
    impact: "It stays open; whoever stopped it goes on with it",
    remedy: "cutover status",
  });
}

/** The name leads back only to the files that ran under it (P12). */
function refuseOtherBefore({ component, from, fromTree }: PlannedChange, { versions }: Snapshot): void {
  const before = versions.get(`${component}@${from}`)?.published;
  if (before !== undefined) refuseOtherVersion(before, { tree: fromTree, contract: undefined }, "back");
}

/** The newest run that changed something, or that is open. Ended ways back are passed over: what they left undone is still to do. */
async function lastRunOf({ controller, release }: RollBackInput) {
  const runs = (await controller.journal.streams("run/")).reverse();
  const releases = new Set<string>();
  const earlier: PlannedChange[] = [];
  let found: { run: RunId; state: RunState } | undefined;
  for (const stream of runs) {
    const run = stream.slice("run/".length);
    const events = await controller.journal.read(stream);
    const state = events.reduce((before, event) => reduce(before, event, run), initialRunState);
    if (state.plan === undefined) continue;
    const [planned] = events;
    const wayBackOf = planned?.kind === "run-planned" ? planned.wayBackOf : undefined;
    // A task that was run by itself moved nothing.
    if (state.plan.changes.length === 0) continue;
    releases.add(state.plan.release);
    if (found !== undefined && state.plan.release === found.state.plan?.release) earlier.push(...state.plan.changes);
    const moved = wayBackOf === undefined && state.plan.changes.some(({ from, to }) => from !== to);
    const counts = state.outcome === undefined || moved;
    if (counts && (release === undefined || state.plan.release === release)) found ??= { run, state };
  }
  if (found === undefined) {
    const meant = release === undefined || releases.has(release) ? undefined : meantName(release, releases);
    const of = release === undefined ? "" : ` of ${release}`;
    throw new UsageError(
      `There is no run${of} that changed something${didYouMean(meant)}`,
      meant === undefined ? "cutover status" : `cutover rollback ${meant} --reason …`,
    );
  }
  if (release === undefined && releases.size > 1)
    throw new UsageError(
      `Several releases have run: ${[...releases].join(", ")}`,
      "cutover rollback RELEASE --reason …",
    );
  return { ...found, earlier };
}

/**
 * Changes of earlier runs that brought the same trees to other hosts: a host that was held or unreachable then got them in a
 * run of its own. Newest first.
 */
function sameTrees(bad: readonly PlannedChange[], earlier: readonly PlannedChange[]): PlannedChange[] {
  const keyOf = ({ host, component }: PlannedChange) => `${host}/${component}`;
  const trees = new Set(bad.map(({ component, toTree }) => `${component}@${toTree}`));
  const found = new Map(bad.map((change) => [keyOf(change), change]));
  for (const change of earlier) {
    const same = trees.has(`${change.component}@${change.toTree}`) && change.from !== change.to;
    if (same && !found.has(keyOf(change))) found.set(keyOf(change), change);
  }
  for (const change of bad) found.delete(keyOf(change));
  return [...found.values()];
}

/** A run turns round. One that is a way back itself goes on, in traffic without the balancers that it waits for. */
async function markRollback(
  { controller, watcher, by, reason, inTraffic }: RollBackInput,
  { run, isWayBack }: OpenRun,
): Promise<void> {
  const { journal, clock } = controller;
  const { last, state } = await replayRun(journal, run);
  const turn: EventBody = { kind: "rollback-started", scope: "release", by, reason };
  const events = !isWayBack
    ? [{ ...turn, ...(inTraffic ? { inTraffic } : {}) }]
    : inTraffic
      ? leaveBalancersOut(state, { by, reason })
      : [];
  for (const event of await makeAppender({ journal, clock, stream: runStream(run), last }).append(...events))
    watcher.onEvent(event);
}

function quarantineAll(changes: readonly PlannedChange[], { by, reason }: OperatorAct): EventBody[] {
  const trees = new Map(changes.map((change) => [`${change.component}@${change.toTree}`, change]));
  return [...trees.values()].map(({ component, to: version, toTree: tree }) => ({
    kind: "quarantined",
    component,
    version,
    tree,
    reason: "operator",
    evidence: `${reason} (rolled back by ${by})`,
  }));
}

/**
 * A host that runs something else by now is left alone; one that does not answer stays in, so that the plan names it, and so
 * does one that an earlier way back left on trial or confirmed, not committed.
 */
function stillRuns({ host, component, toTree }: PlannedChange, observations: Snapshot["observations"]): boolean {
  const observation = observations.get(host);
  if (observation?.kind !== "observed") return true;
  return observation.components.some((seen) => {
    const halfWay = seen.committedTree === toTree && ["trial", "confirmed", "reverting"].includes(seen.state);
    return seen.component === component && (seen.currentTree === toTree || halfWay);
  });
}

function nothingToGoBackTo({ release, held }: Plan, run: RunId): CutoverError {
  const [first] = held;
  if (first !== undefined)
    return new CutoverError({
      code: "nothing-can-go-back",
      message: `Every host that still runs what run ${run} of ${release} installed is left alone`,
      evidence: held
        .slice(0, 20)
        .map(({ host, reason, evidence }) => `${host} ${reason}: ${evidence}`)
        .join("\n"),
      impact: "Nothing was changed; a host on trial goes back by itself at its deadline",
      remedy: `cutover host check ${first.host}, then the same command again`,
    });
  return new CutoverError({
    code: "nothing-to-roll-back",
    message: `No host still runs what run ${run} of ${release} installed, or there was nothing before it`,
    impact: "Nothing was changed; only the last run can be taken back",
    remedy: "cutover status; further back: name the earlier version in git (git revert), and push",
  });
}
