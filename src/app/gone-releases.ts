// Releases that git does not ask for any more. Nothing is removed from any host, so what runs there still is all there is to say. Pure.
import type { Status } from "../model/status.ts";

export interface GoneRelease {
  readonly release: string;
  /** When its hosts were read back last. */
  readonly at: number;
  /** What they ran then that no other release has a say in. */
  readonly left: readonly {
    readonly host: string;
    readonly component: string;
    readonly version: string;
  }[];
}

interface InForce {
  readonly hosts: ReadonlySet<string>;
  readonly releases: ReadonlySet<string>;
}

/** One of which nothing is left to say is left out altogether. Undefined names: nobody knows of any that is gone. */
export function partGone(
  statuses: readonly Status[],
  inForce: InForce | undefined,
): { readonly releases: readonly Status[]; readonly gone: readonly GoneRelease[] } {
  if (inForce === undefined) return { releases: statuses, gone: [] };
  const releases = statuses.filter(({ release }) => inForce.releases.has(release));
  // One that has no status yet may speak for anything.
  if (releases.length < inForce.releases.size) return { releases, gone: [] };
  const spokenFor = new Set(releases.flatMap(({ targets }) => targets.map(placeOf)));
  const gone: GoneRelease[] = [];
  // The newest word about a place counts, where several of them had a say in it.
  for (const { release, at, targets } of statuses.toSorted((a, b) => b.at - a.at)) {
    if (inForce.releases.has(release)) continue;
    const left = targets.flatMap((target) => {
      const { host, component, version } = target;
      if (!inForce.hosts.has(host) || spokenFor.has(placeOf(target))) return [];
      spokenFor.add(placeOf(target));
      return version === null ? [] : [{ host, component, version }];
    });
    if (left.length > 0) gone.push({ release, at, left });
  }
  return { releases, gone };
}

function placeOf({ host, component }: { readonly host: string; readonly component: string }): string {
  return `${host}/${component}`;
}
