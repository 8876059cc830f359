// What could be sent to reach a version, looked up once a pass or run and shared by all hosts: signed lists of patches,
// patches made here, and which trees the versions on hosts are.
import pMap from "p-map";
import { CutoverError } from "../errors.ts";
import type { Observation } from "../model/observation.ts";
import type { PlannedChange } from "../model/plan.ts";
import type { Codec, PatchVariant, PayloadFile, PublishedPatch } from "../model/transfer.ts";
import type { Trust } from "../model/trust.ts";
import { once } from "../package/once.ts";
import { parseReleaseMetadata } from "../package/release-metadata.ts";
import { type ChosenPath, choosePath, longestChain, type PatchHop } from "../plan/choose-path.ts";
import type { Controller } from "./controller.ts";
import type { LoadedVersion, WantedVersion } from "./load-published.ts";
import { loadTransfers } from "./load-transfers.ts";

/** A patch that can be had: published, or made here. */
export type KnownPatch = PatchHop & ({ readonly published: PublishedPatch } | { readonly made: PayloadFile });

export interface TransferBookInput {
  readonly controller: Pick<Controller, "artifacts" | "signer">;
  readonly trust: Pick<Trust, "releaseKeys" | "threshold">;
  readonly versionOf: (wanted: WantedVersion) => Promise<LoadedVersion>;
  /** What the plan changes: hosts that come from one tree would share a patch from it. */
  readonly changes: readonly Pick<PlannedChange, "component" | "fromTree" | "to">[];
}

/** How a host looks to the choice; hosts that look alike get the same. */
export interface HostView {
  readonly codec: Codec;
  readonly variants: readonly PatchVariant[];
  readonly built: boolean;
  /** Trees that patches can start from, the one in use first. */
  readonly bases: readonly string[];
}

export interface TransferBook {
  viewOf(wanted: WantedVersion, observation: Observation): Promise<HostView>;
  pathTo(wanted: WantedVersion, view: HostView): Promise<ChosenPath<KnownPatch>>;
  /** It is compared like the published ones from now on. */
  addMade(patch: PatchHop & { readonly made: PayloadFile }): void;
  /** Patches that were made are no longer taken for good: who needs one has it checked, and made anew where it is damaged. */
  forgetMade(): void;
  /** No patch of this pair can be had, and why: it comes into question no more. */
  crossOut(pair: Pick<PatchHop, "from" | "to">, why: string): void;
  /** What the full artifact of a tree comes to, where no signed list says so. */
  addFull(tree: string, full: { readonly codec: Codec; readonly bytes: number }): void;
  /** Version of a tree where it is known, else the start of its digest. */
  nameOf(tree: string): string;
}

/** As far back as the version of a tree in the middle of a chain is looked for. */
const newestVersions = 20;
/** Of the versions that a host says it has built, and of the trees that patches lead from: a long list costs nobody more than this. */
const mostConsidered = 20;
/** Questions to the artifact repository at once. */
const concurrency = 8;
/** A text and its signatures are read one after the other: when they do not belong together, a publisher may be at work. Not for each host anew, though. */
const mostTries = 3;

export function makeTransferBook({ controller, trust, versionOf, changes }: TransferBookInput): TransferBook {
  const sharing = Map.groupBy(changes, ({ component, fromTree, to }) => `${component} ${fromTree} ${to}`);
  const lists = new Map<string, ReturnType<typeof loadTransfers>>();
  const trees = new Map<string, Promise<string | undefined>>();
  const names = new Map<string, string>();
  /** Trees of published versions: their full artifacts can be had, so patches from them can be made. */
  const published = new Set<string>();
  const made: (PatchHop & { readonly made: PayloadFile })[] = [];
  const fullBytes = new Map<string, number>();
  /** Keyed by `from to`. */
  const crossedOut = new Map<string, string>();

  const tries = new Map<string, number>();
  function askAgain(known: Map<string, unknown>, key: string): void {
    const count = (tries.get(key) ?? 0) + 1;
    tries.set(key, count);
    if (count < mostTries) known.delete(key);
  }

  const listOf = (tree: string) =>
    once(lists, { key: tree, keep: "for-good" }, async () => {
      const loaded = await loadTransfers(controller, { tree, trust });
      if (loaded.remark !== undefined) askAgain(lists, tree);
      return loaded;
    });
  const nameOf = (tree: string) => names.get(tree) ?? `tree ${tree.replace("sha256:", "").slice(0, 12)}`;

  /** Undefined when the version is not published, or not by keys that the Trust has. Only what is signed gives a tree its name. */
  function treeOf(wanted: WantedVersion): Promise<string | undefined> {
    const key = `${wanted.component}@${wanted.version}`;
    return once(trees, { key, keep: "for-good" }, async () => {
      const tree = await versionOf(wanted).then(
        (loaded) => loaded.published.tree,
        (error: unknown) => {
          if (!(error instanceof CutoverError) || error.disposition !== "stall") throw error;
          if (error.code !== "not-published") askAgain(trees, key);
          return undefined;
        },
      );
      if (tree === undefined) return undefined;
      names.set(tree, wanted.version);
      published.add(tree);
      return tree;
    });
  }

  /** Published patches that the longest chain to the target could use; where they come from more trees than are considered, the cheapest ones. */
  async function hopsTo(target: string): Promise<KnownPatch[]> {
    const hops: KnownPatch[] = [];
    const seen = new Set<string>();
    let front = [target];
    for (let length = 0; length < longestChain && front.length > 0; length += 1) {
      for (const tree of front) seen.add(tree);
      const lists = await pMap(front, listOf, { concurrency });
      const found = lists.flatMap(({ list }) =>
        (list?.patches ?? []).map((one) => ({ ...one, to: list?.tree ?? "", published: one })),
      );
      hops.push(...found);
      const cheapest = found.toSorted((a, b) => a.bytes - b.bytes).map(({ from }) => from);
      front = [...new Set(cheapest)].filter((tree) => !seen.has(tree)).slice(0, mostConsidered);
    }
    return hops;
  }

  async function learnNames(component: string, unknown: ReadonlySet<string>): Promise<void> {
    for (const version of (await controller.artifacts.versions(component)).slice(0, newestVersions)) {
      if ([...unknown].every((tree) => names.has(tree))) return;
      await treeOf({ component, version });
    }
  }

  return {
    nameOf,
    async viewOf({ component, version }, observation) {
      if (observation.kind !== "observed") return { codec: "none", variants: [], built: false, bases: [] };
      const { tools } = observation.facts;
      const seen = observation.components.find((each) => each.component === component);
      const built = seen?.built ?? [];
      const inUse = [seen?.current, seen?.committed].filter((one) => one !== undefined && built.includes(one));
      const considered = [...new Set([...inUse, ...built])].flatMap((one) => one ?? []).slice(0, mostConsidered);
      const others = await pMap(considered, (one) => treeOf({ component, version: one }), { concurrency });
      const bases = [seen?.currentTree, seen?.committedTree, ...others].flatMap((tree) => tree ?? []);
      return {
        codec: codecOf(tools),
        variants: variantsOf(tools),
        built: built.includes(version),
        bases: [...new Set(bases)],
      };
    },
    async pathTo(wanted, view) {
      const loaded = await versionOf(wanted);
      const target = loaded.published.tree;
      names.set(target, wanted.version);
      const { list, remark } = await listOf(target);
      const known: KnownPatch[] = view.variants.length === 0 ? [] : [...(await hopsTo(target)), ...made];
      const hops = known.filter(({ from, to }) => !crossedOut.has(`${from} ${to}`));
      const bases = view.bases.filter((tree) => tree !== target);
      const pairs = [...known, ...bases.map((from) => ({ from, to: target }))];
      const unknown = new Set<string>();
      const choose = () =>
        choosePath<KnownPatch>({
          target,
          built: view.built,
          bases,
          variants: view.variants,
          hops,
          full: {
            bytes: (view.codec === "zstd" ? list?.fullBytes : undefined) ?? fullBytes.get(`${target} ${view.codec}`),
            size: parseReleaseMetadata(loaded.release.metadata).tree.bytes,
          },
          sharedBy: (base) => sharing.get(`${wanted.component} ${base} ${wanted.version}`)?.length ?? 1,
          canMake: (base) => published.has(base) && !crossedOut.has(`${base} ${target}`),
          nameOf(tree) {
            if (!names.has(tree)) unknown.add(tree);
            return nameOf(tree);
          },
          remarks: [
            ...new Set(pairs.flatMap(({ from, to }) => crossedOut.get(`${from} ${to}`) ?? [])),
            ...(remark === undefined ? [] : [remark]),
          ],
        });
      const chosen = choose();
      if (unknown.size === 0) return chosen;
      await learnNames(wanted.component, unknown);
      return choose();
    },
    addMade: (patch) => void made.push(patch),
    forgetMade: () => void made.splice(0),
    crossOut: ({ from, to }, why) => void crossedOut.set(`${from} ${to}`, why),
    addFull: (tree, { codec, bytes }) => void fullBytes.set(`${tree} ${codec}`, bytes),
  };
}

/** The best codec that the host says it can unpack (R7). */
export function codecOf(tools: readonly string[]): Codec {
  return (["zstd", "xz", "gzip"] as const).find((codec) => tools.includes(codec)) ?? "none";
}

/** An older host.sh does not say what it can patch: it gets full artifacts. */
function variantsOf(tools: readonly string[]): PatchVariant[] {
  if (!tools.includes("zstd-patch")) return [];
  return tools.includes("bspatch") ? ["zstd", "zstd-bsdiff"] : ["zstd"];
}
