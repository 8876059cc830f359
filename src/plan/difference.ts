// Desired minus observed: what has to change, and what is left alone with the reason. Pure.
import type { DesiredRelease, DesiredTarget } from "../model/desired.ts";
import type { HostVersionState, LastKnownComponent, Observation, ObservedComponent } from "../model/observation.ts";
import type { Held, PlannedChange } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";

export interface DifferenceInput {
  readonly release: DesiredRelease;
  readonly observations: ReadonlyMap<string, Observation>;
  /** Keyed by `component@version`; complete for every desired version (the caller loads them first). */
  readonly published: ReadonlyMap<string, PublishedVersion>;
  /** Hosts that an operator put on hold, with the reason. */
  readonly holds: ReadonlyMap<string, string>;
  /** Quarantined trees, keyed by `component@treeDigest`, with the evidence. */
  readonly quarantined: ReadonlyMap<string, string>;
  /** Places where an open run brings just what is wanted, keyed by `host/component`, and which run that is. */
  readonly claimed?: ReadonlyMap<string, string>;
}

export interface Difference {
  readonly changes: readonly PlannedChange[];
  /** Meant as well, and not done now: `held` says why. `from` is what was committed last. */
  readonly waiting: readonly PlannedChange[];
  readonly held: readonly Held[];
  /** What a plan edit keeps from its new version while the rest of its host may move; sorted as well. */
  readonly leftBehind: readonly LeftBehind[];
}

export interface LeftBehind {
  readonly host: string;
  readonly component: string;
  /** The version that it does not get. */
  readonly to: string;
  readonly why: string;
}

/**
 * Changes, waiting ones and held parts, each sorted by host, then component. A release that asks for a quarantined tree
 * changes nothing at all (P16): half of a release was never reviewed. A host with one part held is left alone whole:
 * what depends on that part would move without it. Where a run is under way only that part is left alone: whoever starts
 * another one looks at the claims of both. So it is where a plan edit holds one component: `checkEdits` looks whether
 * anything depends on it.
 */
export function computeDifference(input: DifferenceInput): Difference {
  const verdicts: Verdict[] = [];
  const leftBehind: LeftBehind[] = [];
  for (const component of input.release.components) {
    for (const target of component.targets) {
      const version = publishedVersion(input.published, component.name, target.version);
      const { host, excluded } = target;
      const verdict = compare(input, target, version);
      const why = excluded ?? (verdict.isPart ? target.held?.why : undefined);
      if (excluded === undefined) verdicts.push(verdict);
      if (why !== undefined && verdict.intended !== undefined)
        leftBehind.push({ host, component: component.name, to: target.version, why });
    }
  }
  const held = verdicts.flatMap((verdict) => verdict.held ?? []);
  const stalled = held.some((entry) => entry.reason === "quarantined");
  const heldHosts = new Set(verdicts.flatMap(({ held, isPart }) => (held === undefined || isPart ? [] : held.host)));
  const isFree = ({ host }: PlannedChange) => !stalled && !heldHosts.has(host);
  const changes = verdicts.flatMap(({ change, isBringingBack }) =>
    change !== undefined && (isBringingBack || isFree(change)) ? change : [],
  );
  const waiting = verdicts.flatMap(({ intended, isPart }) =>
    intended !== undefined && (isPart || !isFree(intended)) ? intended : [],
  );
  return {
    changes: changes.sort(byHostThenComponent),
    waiting: waiting.sort(byHostThenComponent),
    held: dedupe(held).sort(byHostThenComponent),
    leftBehind: leftBehind.sort(byHostThenComponent),
  };
}

export function publishedVersion(
  published: DifferenceInput["published"],
  component: string,
  version: string,
): PublishedVersion {
  const found = published.get(`${component}@${version}`);
  if (!found) throw new Error(`published versions must be loaded before planning: ${component}@${version}`);
  return found;
}

/** States in which a version runs that nobody has committed yet. */
const unfinishedStates: ReadonlySet<HostVersionState> = new Set(["trial", "confirmed", "reverting"]);

type Start = Pick<PlannedChange, "from" | "fromTree">;

interface Verdict {
  readonly held?: Held;
  /** Held by itself: the rest of its host goes on. */
  readonly isPart?: boolean;
  /** Moves nothing, and is done whatever else of the release or its host has to wait. */
  readonly isBringingBack?: boolean;
  /** What can be done now. */
  readonly change?: PlannedChange;
  /** What git means for this host, starting at what was committed there last. */
  readonly intended?: PlannedChange;
}

function compare(input: DifferenceInput, target: DesiredTarget, wanted: PublishedVersion): Verdict {
  const { host } = target;
  const { component, version: to, tree: toTree, strategy, grade, drain, deadlineSeconds } = wanted;
  const observation = input.observations.get(host);
  const isComponent = (entry: { component: string }) => entry.component === component;
  const seen = observation?.kind === "observed" ? observation.components.find(isComponent) : undefined;
  const known =
    seen ?? (observation?.kind === "unreachable" ? observation.lastKnown?.components.find(isComponent) : undefined);
  const facts = observation?.kind === "observed" ? observation.facts : undefined;
  const revertsAfterReboot = facts?.mode === "system" && facts.systemd;
  const isDecided = seen !== undefined && !unfinishedStates.has(seen.state);
  const runs = seen?.current === to && seen.currentTree === toTree;
  const settled = runs && isDecided && seen.committed === to;
  const unproven = runs && isDecided && !settled;
  const committed = unproven ? { from: seen.committed, fromTree: seen.committedTree } : lastCommitted(known);
  const further = target.further?.map((next) => publishedVersion(input.published, component, next));
  const changeFrom = ({ from, fromTree }: Start): PlannedChange => {
    const what = { host, component, from, fromTree, to, toTree, strategy, deadlineSeconds, revertsAfterReboot };
    const said = { ...(grade === undefined ? {} : { grade }), ...(drain === undefined ? {} : { drain }) };
    const change = { ...what, ...said };
    return further === undefined
      ? change
      : { ...change, further: further.map(({ version, tree }) => ({ version, tree })) };
  };
  const same = committed.from === to && committed.fromTree === toTree;
  const leave = (held: Pick<Held, "reason" | "evidence">, part: string | undefined): Verdict => {
    const { reason } = held;
    const isOut = part !== undefined && seen?.drained !== undefined;
    const outOfService = isOut ? `; run ${seen.drained} took ${part} out of service and has not brought it back` : "";
    const evidence = `${held.evidence}${outOfService}`;
    return { ...(same ? {} : { intended: changeFrom(committed) }), held: { host, component: part, reason, evidence } };
  };
  const evidenceAgainst = (tree: string) => input.quarantined.get(`${component}@${tree}`);
  // A stone on the way to something bad leads nowhere.
  const onTheWay = further?.map(({ tree }) => evidenceAgainst(tree)).find((evidence) => evidence !== undefined);
  const quarantine = (settled ? undefined : evidenceAgainst(toTree)) ?? onTheWay;
  // Before everything else: a host that cannot be seen must not let the rest of a bad release through.
  // guard P16: a version shown to be bad is not brought again, to no host.
  if (quarantine !== undefined) return leave({ reason: "quarantined", evidence: quarantine }, component);
  const claim = input.claimed?.get(`${host}/${component}`);
  if (claim !== undefined) return { ...leave({ reason: "claimed", evidence: claim }, component), isPart: true };
  const hold = input.holds.get(host) ?? (target.held?.part === false ? target.held.why : undefined);
  if (hold !== undefined) return leave({ reason: "held", evidence: hold }, undefined);
  // guard P7: of a host that was not seen nothing is assumed.
  if (observation?.kind !== "observed")
    return leave({ reason: "unreachable", evidence: observation?.message ?? "not observed" }, undefined);
  // guard P4: a host on trial is left alone until it is decided.
  if (seen?.state === "trial" || seen?.state === "reverting") {
    const evidence = `${seen.trial?.to ?? "?"} is on trial for run ${seen.trial?.run ?? "?"}`;
    return leave({ reason: "in-trial", evidence }, component);
  }
  const drift = seen && driftOf(seen, unproven);
  // A restore point needs every part to be at its start, and nobody knows what this one's data is like.
  const isSaved = unproven && input.release.restorePoint?.components.includes(component) === true;
  if (drift !== undefined && (input.release.policy.drift === "report" || isSaved))
    return leave({ reason: "drifted", evidence: drift }, component);
  // guard P12: what is as git asks is not touched again (R5).
  if (settled && seen.drained === undefined) return {};
  if (settled) return { change: withDrain(changeFrom(seenStart(seen)), seen), isBringingBack: true };
  if (target.later === true) return same ? { isPart: true } : { intended: changeFrom(committed), isPart: true };
  if (target.held !== undefined)
    return { ...leave({ reason: "held", evidence: target.held.why }, component), isPart: true };
  // What runs without ever having been confirmed goes the whole way, from what it can go back to.
  const change = withDrain(changeFrom(unproven ? committed : seenStart(seen)), seen);
  // Large fleets: where a change starts as it is meant to, which is nearly everywhere, it is its own intent.
  if (change.from === committed.from && change.fromTree === committed.fromTree)
    return same ? { change } : { change, intended: change };
  const intended = withDrain(changeFrom(committed), seen);
  return { change: { ...change, intended: committed }, ...(same ? {} : { intended }) };
}

function seenStart(seen: ObservedComponent | undefined): Start {
  return { from: seen?.current, fromTree: seen?.currentTree };
}

/** A run that was overtaken between a drain and its undo leaves the component out of service: whoever goes on brings it back. */
function withDrain(change: PlannedChange, seen: ObservedComponent | undefined): PlannedChange {
  return seen?.drained === undefined ? change : { ...change, drainedBy: seen.drained };
}

/** Where a component's change on a host starts by intent; nothing when the host has none, or nobody knows of any. */
export function startOf(
  observation: Observation | undefined,
  component: string,
): Pick<PlannedChange, "from" | "fromTree"> {
  const known = observation?.kind === "observed" ? observation.components : observation?.lastKnown?.components;
  return lastCommitted(known?.find((entry) => entry.component === component));
}

/** Where a change starts by intent: trials and drift are steps beside the way, which a review does not depend on. */
function lastCommitted(
  known: LastKnownComponent | ObservedComponent | undefined,
): Pick<PlannedChange, "from" | "fromTree"> {
  if (known === undefined) return { from: undefined, fromTree: undefined };
  const { current, currentTree, committed, committedTree } = known;
  if (committed !== undefined)
    return { from: committed, fromTree: committedTree ?? (committed === current ? currentTree : undefined) };
  if (!("state" in known)) return { from: undefined, fromTree: undefined };
  if (unfinishedStates.has(known.state)) return { from: known.trial?.from, fromTree: undefined };
  return { from: current, fromTree: currentTree };
}

/**
 * What someone changed behind our back, in words; undefined when nothing did (R6). A trial moves `current` legitimately, and its
 * way back leads to where it began: that may be what another run had confirmed and not committed yet, unless the trial was of just that
 * version, which a hand had made current. `unproven`: it runs what is wanted, and neither a commit nor a trial says how it got there.
 */
function driftOf(seen: ObservedComponent, unproven: boolean): string | undefined {
  const { state, trial } = seen;
  const isBack = state === "reverted" && seen.current === trial?.from && trial?.from !== trial?.to;
  if (state === "confirmed" || isBack) return undefined;
  if (seen.committed === undefined) return unproven ? `current is ${seen.current}, which nobody committed` : undefined;
  if (seen.current === seen.committed && (seen.committedTree === undefined || seen.currentTree === seen.committedTree))
    return undefined;
  return `current is ${seen.current ?? "missing"}, but ${seen.committed} was committed last`;
}

export function byHostThenComponent(a: { host: string; component: string | undefined }, b: typeof a): number {
  return compareText(a.host, b.host) || compareText(a.component ?? "", b.component ?? "");
}

/** Byte order, the same on every machine and locale. */
export function compareText(a: string, b: string): number {
  // guard P12: one order, whatever order the inputs came in.
  return a < b ? -1 : a > b ? 1 : 0;
}

function dedupe(held: readonly Held[]): Held[] {
  const seen = new Map(held.map((entry) => [`${entry.host}/${entry.component ?? ""}/${entry.reason}`, entry]));
  return [...seen.values()];
}
