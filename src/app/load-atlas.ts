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
}

export interface LoadedAtlas {
  /** With those that were loaded before. */
  readonly versions: ReadonlyMap<string, LoadedVersion>;
  readonly atlas: UpgradeAtlas;
}

const concurrency = 8;

export async function loadAtlas(input: AtlasInput): Promise<LoadedAtlas> {
  const { controller, trust, versions } = input;
  const published = new Map([...versions].map(([key, { published }]) => [key, published]));
  const wayOf = makeFindWay({ published, atlas: emptyAtlas, quarantined: new Map(), takes: isWithin });
  const asks = Map.groupBy(
    asksOf(input).filter((ask) => wayOf(ask) !== undefined),
    ({ component }) => component,
  );
  if (asks.size === 0) return { versions, atlas: emptyAtlas };
  const all = new Map(versions);
  const stones = new Map<string, readonly string[]>();
  const reached: LoadedVersion[] = [];
  for (const [component, mine] of asks) {
    const newest = await loadNewest(controller, { component, trust, loaded: all });
    const between = [...newest].filter(([, { published }]) => mine.some((ask) => liesOn(ask, published, versions)));
    for (const [key, version] of between) all.set(key, version);
    stones.set(
      component,
      between.map(([, { published }]) => published.version),
    );
    const goals = mine.flatMap(({ goal }) => all.get(`${component}@${goal}`) ?? []);
    reached.push(...between.map(([, version]) => version), ...goals);
  }
  return { versions: all, atlas: { stones, ...(await priced(input, reached)) } };
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
