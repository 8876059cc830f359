// What the search for stepping stones goes by (R16): loaded only for components with a version step that may not be taken
// directly, and no further back than anybody looks.
import pMap from "p-map";
import { isWithin } from "../desired/ranges.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { Trust } from "../model/trust.ts";
import { parseReleaseMetadata } from "../package/release-metadata.ts";
import { emptyAtlas, makeFindWay, type UpgradeAtlas } from "../plan/find-way.ts";
import { type Ask, asksOf } from "../plan/take-paths.ts";
import { isBetween } from "../plan/upgrade-path.ts";
import type { Controller } from "./controller.ts";
import { loadNewest } from "./load-newest.ts";
import type { LoadedVersion } from "./load-published.ts";
import { loadTransfers } from "./load-transfers.ts";

export interface AtlasInput {
  readonly controller: Pick<Controller, "artifacts" | "signer">;
  readonly trust: Trust;
  readonly release: DesiredRelease;
  readonly observations: ReadonlyMap<string, Observation>;
  /** Wanted versions and those that run, keyed by `component@version`. */
  readonly versions: ReadonlyMap<string, LoadedVersion>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface LoadedAtlas {
  /** With those that were loaded before. */
  readonly versions: ReadonlyMap<string, LoadedVersion>;
  readonly atlas: UpgradeAtlas;
}

const concurrency = 8;

export async function loadAtlas(input: AtlasInput): Promise<LoadedAtlas> {
  const { controller, trust, versions, now } = input;
  const published = new Map([...versions].map(([key, { published }]) => [key, published]));
  const wayOf = makeFindWay({ published, atlas: emptyAtlas, quarantined: new Map(), takes: isWithin });
  const asks = Map.groupBy(
    asksOf(input).filter((ask) => wayOf(ask) !== undefined),
    ({ component }) => component,
  );
  if (asks.size === 0) return { versions, atlas: emptyAtlas };
  const all = new Map(versions);
  const stones = new Map<string, readonly string[]>();
  const cut = new Set<string>();
  const reached: LoadedVersion[] = [];
  for (const [component, mine] of asks) {
    const goals = mine.flatMap(({ goal }) => all.get(`${component}@${goal}`) ?? []);
    // The wanted ones name some of their own, however old.
    const named = goals.flatMap(({ published }) => published.upgrade?.via ?? []);
    const { newest, isAll } = await loadNewest(controller, { component, trust, loaded: all, named });
    if (!isAll) cut.add(component);
    const between = [...newest].filter(([, { published }]) => mine.some((ask) => liesOn(ask, published, versions)));
    for (const [key, version] of between) all.set(key, version);
    stones.set(
      component,
      between.map(([, { published }]) => published.version),
    );
    reached.push(...between.map(([, version]) => version), ...goals);
  }
  const unfit = new Map(reached.flatMap((version) => expired(version, now)));
  return { versions: all, atlas: { stones, cut, unfit, ...(await priced(input, reached)) } };
}

/** Hosts run nothing for the first time that has expired. Whoever runs it already is not held up by that. */
function expired({ release, published }: LoadedVersion, now: number): (readonly [string, string])[] {
  const { expires } = parseReleaseMetadata(release.metadata);
  if (expires * 1_000 > now) return [];
  const why = `it expired on ${new Date(expires * 1_000).toISOString().slice(0, 10)}; cutover publish … --amend renews it`;
  return [[`${published.component}@${published.version}`, why]];
}

function liesOn(
  { component, start, goal }: Ask,
  stone: LoadedVersion["published"],
  versions: ReadonlyMap<string, LoadedVersion>,
): boolean {
  const of = (version: string) => versions.get(`${component}@${version}`)?.published ?? { version, sequence: 0 };
  return isBetween(stone, { start: of(start), goal: of(goal) });
}

/** By signed lists; a tree that has none, or an untrusted one, costs what it unpacks to. */
async function priced(
  { controller, trust }: AtlasInput,
  reached: readonly LoadedVersion[],
): Promise<Pick<UpgradeAtlas, "patchBytes" | "fullBytes">> {
  const patchBytes = new Map<string, number>();
  const fullBytes = new Map<string, number>();
  await pMap(
    new Map(reached.map((version) => [version.published.tree, version])),
    async ([tree, { release }]) => {
      const { list } = await loadTransfers(controller, { tree, trust });
      fullBytes.set(tree, list?.fullBytes ?? parseReleaseMetadata(release.metadata).tree.bytes);
      for (const { from, bytes } of list?.patches ?? [])
        patchBytes.set(`${from} ${tree}`, Math.min(bytes, patchBytes.get(`${from} ${tree}`) ?? bytes));
    },
    { concurrency },
  );
  return { patchBytes, fullBytes };
}
