// Desired minus observed: what has to change, and what is left alone with the reason. Pure.
import type { DesiredRelease } from "../model/desired.ts";
import type { HostVersionState, Observation, ObservedComponent } from "../model/observation.ts";
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
}

export interface Difference {
  readonly changes: readonly PlannedChange[];
  readonly held: readonly Held[];
}

/**
 * Changes and held parts, both sorted by host, then component. A release that asks for a quarantined tree
 * changes nothing at all (P16): half of a release was never reviewed. A host with one part held is left alone whole:
 * what depends on that part would move without it.
 */
export function computeDifference(input: DifferenceInput): Difference {
  const changes: PlannedChange[] = [];
  const held: Held[] = [];
  for (const component of input.release.components) {
    for (const target of component.targets) {
      const version = publishedVersion(input.published, component.name, target.version);
      const verdict = compare(input, target.host, version);
      if (verdict === undefined) continue;
      if ("reason" in verdict) held.push(verdict);
      else changes.push(verdict);
    }
  }
  const stalled = held.some((entry) => entry.reason === "quarantined");
  const heldHosts = new Set(held.map((entry) => entry.host));
  const free = stalled ? [] : changes.filter((change) => !heldHosts.has(change.host));
  return { changes: free.sort(byHostThenComponent), held: dedupe(held).sort(byHostThenComponent) };
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

function compare(input: DifferenceInput, host: string, wanted: PublishedVersion): PlannedChange | Held | undefined {
  const component = wanted.component;
  const observation = input.observations.get(host);
  const seen =
    observation?.kind === "observed"
      ? observation.components.find((entry) => entry.component === component)
      : undefined;
  const settled =
    seen?.current === wanted.version && seen.currentTree === wanted.tree && !unfinishedStates.has(seen.state);
  const quarantine = input.quarantined.get(`${component}@${wanted.tree}`);
  // Before everything else: a host that cannot be seen must not let the rest of a bad release through.
  if (quarantine !== undefined && !settled) return { host, component, reason: "quarantined", evidence: quarantine };
  const hold = input.holds.get(host);
  if (hold !== undefined) return { host, component: undefined, reason: "held", evidence: hold };
  if (observation?.kind !== "observed") {
    return { host, component: undefined, reason: "unreachable", evidence: observation?.message ?? "not observed" };
  }
  if (seen?.state === "trial" || seen?.state === "reverting") {
    return {
      host,
      component,
      reason: "in-trial",
      evidence: `${seen.trial?.to ?? "?"} is on trial for run ${seen.trial?.run ?? "?"}`,
    };
  }
  const drift = seen && driftOf(seen);
  if (drift !== undefined && input.release.policy.drift === "report")
    return { host, component, reason: "drifted", evidence: drift };
  if (settled) return undefined;
  return {
    host,
    component,
    from: seen?.current,
    fromTree: seen?.currentTree,
    to: wanted.version,
    toTree: wanted.tree,
    strategy: wanted.strategy,
    deadlineSeconds: wanted.deadlineSeconds,
    revertsAfterReboot: observation.facts.mode === "system" && observation.facts.systemd,
  };
}

/** What someone changed behind our back, in words; undefined when nothing did (R6). A trial moves `current` legitimately. */
export function driftOf(seen: ObservedComponent): string | undefined {
  if (seen.state === "confirmed" || seen.committed === undefined) return undefined;
  if (seen.current === seen.committed && (seen.committedTree === undefined || seen.currentTree === seen.committedTree))
    return undefined;
  return `current is ${seen.current ?? "missing"}, but ${seen.committed} was committed last`;
}

function byHostThenComponent(a: { host: string; component: string | undefined }, b: typeof a): number {
  return compareText(a.host, b.host) || compareText(a.component ?? "", b.component ?? "");
}

/** Byte order, the same on every machine and locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function dedupe(held: readonly Held[]): Held[] {
  const seen = new Map(held.map((entry) => [`${entry.host}/${entry.component ?? ""}/${entry.reason}`, entry]));
  return [...seen.values()];
}
