// Which trees hosts run and committed, written once a version instead of once a host, and read back. Pure.
import { Digest, Version } from "../model/names.ts";
import type { LastKnownComponent, Observation } from "../model/observation.ts";
import type { Status, TargetStatus, VersionTree } from "../model/status.ts";

/** What a status knows of one component on one host. */
export function lastKnownOf(status: Status): (target: TargetStatus) => LastKnownComponent {
  const trees = new Map((status.trees ?? []).map(({ component, version, tree }) => [`${component}@${version}`, tree]));
  return ({ component, version, tree, committed, committedTree }) => {
    const current = version ?? undefined;
    const currentTree = tree ?? trees.get(`${component}@${current}`);
    const elsewhere = committed !== undefined || committedTree !== undefined;
    const last = committed === undefined ? current : (committed ?? undefined);
    return {
      component,
      current,
      currentTree,
      committed: last,
      committedTree: elsewhere ? (committedTree ?? trees.get(`${component}@${last}`)) : currentTree,
    };
  };
}

export interface TargetTrees {
  readonly targets: TargetStatus[];
  readonly trees: VersionTree[];
}

/** Adds to each target what else is known of it: read back now, or by the status before for a host that does not answer. */
export function withTrees(
  targets: readonly TargetStatus[],
  observations: ReadonlyMap<string, Observation>,
  previous: Status | undefined,
): TargetTrees {
  const remembered = previous === undefined ? new Map<string, LastKnownComponent>() : knownByPlace(previous);
  const trees = new Map<string, VersionTree>();
  const name = (component: string, version: string | undefined, tree: string | undefined) => {
    const key = `${component}@${version}`;
    if (version !== undefined && tree !== undefined && !trees.has(key))
      trees.set(key, { component, version, tree: tree as Digest });
    return trees.get(key)?.tree === tree ? undefined : tree;
  };
  const told = targets.map((target): TargetStatus => {
    const { host, component } = target;
    const seen = observations.get(host);
    const known =
      seen?.kind === "observed"
        ? seen.components.find((entry) => entry.component === component)
        : remembered.get(`${host}/${component}`);
    if (known === undefined) return target;
    const { current, currentTree, committed, committedTree } = wellFormed(known);
    const tree = name(component, current, currentTree);
    const settledWithout = committed === undefined && "state" in known && !isUnfinished(known.state);
    const same = settledWithout || (committed === current && (committedTree ?? currentTree) === currentTree);
    const otherTree = same ? undefined : name(component, committed, committedTree);
    return {
      ...target,
      ...(tree === undefined ? {} : { tree: tree as Digest }),
      ...(same ? {} : { committed: committed ?? null }),
      ...(otherTree === undefined ? {} : { committedTree: otherTree as Digest }),
    };
  });
  return { targets: told, trees: [...trees.values()] };
}

export function knownByPlace(status: Status): Map<string, LastKnownComponent> {
  const known = lastKnownOf(status);
  return new Map(status.targets.map((target) => [`${target.host}/${target.component}`, known(target)]));
}

function isUnfinished(state: unknown): boolean {
  return state === "trial" || state === "confirmed" || state === "reverting";
}

/** Hosts are hostile: what is no version and no digest is unknown. */
function wellFormed(known: LastKnownComponent): Omit<LastKnownComponent, "component"> {
  const version = (text: string | undefined) => (Version.safeParse(text).success ? text : undefined);
  const digest = (text: string | undefined) => (Digest.safeParse(text).success ? text : undefined);
  return {
    current: version(known.current),
    currentTree: digest(known.currentTree),
    committed: version(known.committed),
    committedTree: digest(known.committedTree),
  };
}
