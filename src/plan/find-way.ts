// The allowed way of each version step, from what was loaded of published versions: their signed contracts and what patches and
// full artifacts come to. Pure.
import type { PublishedVersion } from "../model/published-version.ts";
import { levelOf, migrationsOf, stepWords } from "./migration-book.ts";
import type { Ask } from "./take-paths.ts";
import { type Hop, hopProblem, type MappedVersion, type Takes, upgradePath, type Way } from "./upgrade-path.ts";

/** What is published of components with version steps that may not be taken directly. */
export interface UpgradeAtlas {
  /** By component, versions that may be stepping stones. */
  readonly stones: ReadonlyMap<string, readonly string[]>;
  /** By `component@version`, why hosts would not take it any more. */
  readonly unfit: ReadonlyMap<string, string>;
  /** Components with older versions that nobody looked at. */
  readonly cut: ReadonlySet<string>;
  /** Smallest published patch, by `fromTree toTree`. */
  readonly patchBytes: ReadonlyMap<string, number>;
  /** By tree. */
  readonly fullBytes: ReadonlyMap<string, number>;
}

export const emptyAtlas: UpgradeAtlas = {
  ...{ stones: new Map(), unfit: new Map(), cut: new Set() },
  ...{ patchBytes: new Map(), fullBytes: new Map() },
};

export interface FindWayInput {
  /** Wanted versions, those that run and those of the atlas, keyed by `component@version`. */
  readonly published: ReadonlyMap<string, PublishedVersion>;
  readonly atlas: UpgradeAtlas;
  /** Keyed by `component@tree`. */
  readonly quarantined: ReadonlyMap<string, unknown>;
  readonly takes: Takes;
}

/** Undefined where the direct step is allowed, and where neither of its versions says anything about it. */
export function makeFindWay({ published, atlas, quarantined, takes }: FindWayInput): (ask: Ask) => Way | undefined {
  return ({ component, start, goal }) => {
    const versionOf = (version: string): MappedVersion =>
      published.get(`${component}@${version}`) ?? { version, sequence: 0 };
    const treeOf = (version: string) => published.get(`${component}@${version}`)?.tree;
    const direct = { from: versionOf(start), to: versionOf(goal) };
    if (direct.from.upgrade === undefined && direct.to.upgrade === undefined) return undefined;
    const problem = migrationProblem(component, published);
    if ((hopProblem(direct, takes) ?? problem(direct)) === undefined) return undefined;
    const way = upgradePath({
      ...{ start: direct.from, goal: direct.to, takes, problem },
      stones: (atlas.stones.get(component) ?? []).map(versionOf),
      refused(version) {
        if (quarantined.has(`${component}@${treeOf(version)}`)) return "quarantined";
        return atlas.unfit.get(`${component}@${version}`);
      },
      bytes({ from, to }) {
        const [base, tree] = [treeOf(from.version), treeOf(to.version)];
        const full = atlas.fullBytes.get(tree ?? "") ?? 0;
        return Math.min(full, atlas.patchBytes.get(`${base} ${tree}`) ?? full);
      },
    });
    if (way.hops.length > 0 || !atlas.cut.has(component)) return way;
    const why = "they are beyond the newest ones that are looked at; name one of them under `via`";
    return { ...way, rejected: [...way.rejected, { way: "older versions", why }] };
  };
}

/** A hop that would pass over a step of a migration leads nowhere, so stones are looked for that do not. */
function migrationProblem(component: string, published: FindWayInput["published"]): (hop: Hop) => string | undefined {
  const known = new Map([...published].filter(([, version]) => version.component === component));
  const migrations = [...migrationsOf(known).keys()];
  return ({ from, to }) => {
    for (const migration of migrations) {
      const [before, after] = [from, to].map(({ version }) => levelOf(known, { migration, component, version }));
      if (before === undefined || after === undefined || Math.abs(after - before) <= 1) continue;
      return `${from.version} → ${to.version} passes over ${stepWords(after > before ? before + 1 : before - 1)} of ${migration}`;
    }
    return undefined;
  };
}
