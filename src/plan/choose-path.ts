// How one version reaches one host: a direct patch, a chain of patches, or the full artifact; the fewest bytes win. Pure.
import { formatBytes } from "../model/format-bytes.ts";
import type { PatchVariant } from "../model/transfer.ts";

/** A patch that leads from one tree to another and can be had: published and signed for, or made already. */
export interface PatchHop {
  readonly from: string;
  readonly to: string;
  readonly variant: PatchVariant;
  readonly bytes: number;
  /** What its decoders need at most. */
  readonly memoryMib: number;
}

export interface PathInput<Hop extends PatchHop = PatchHop> {
  /** Tree that is wanted. */
  readonly target: string;
  /** True when the host has the target built already. */
  readonly built: boolean;
  /** Trees that the host has built, the one in use first: patches can start from each of them. */
  readonly bases: readonly string[];
  /** What the host can decode; empty when it takes full artifacts only. */
  readonly variants: readonly PatchVariant[];
  /** Whatever leads to the target, directly or through other trees. */
  readonly hops: readonly Hop[];
  /** Compressed bytes of the full artifact, undefined while nobody knows them; `size` is what it unpacks to. */
  readonly full: { readonly bytes: number | undefined; readonly size: number };
  /** Whether the controller can make the patch from this base by itself. */
  readonly canMake: (base: string) => boolean;
  /** How many hosts come from this base, at least the one that is asked for: they would share a patch that is made. */
  readonly sharedBy: (base: string) => number;
  /** How people call a tree: its version. */
  readonly nameOf: (tree: string) => string;
  /** What else was seen and has to be said, such as a list of patches that nobody trusted signed. */
  readonly remarks?: readonly string[];
}

export type ChosenPath<Hop extends PatchHop = PatchHop> = {
  /** What the host receives; undefined while nobody has made it. */
  readonly bytes: number | undefined;
  /** What was compared, the choice first. */
  readonly why: string;
} & (
  | { readonly kind: "present" }
  | { readonly kind: "full" }
  /** `hop` is undefined for a patch that is still to be made. */
  | { readonly kind: "direct"; readonly base: string; readonly hop: Hop | undefined }
  | { readonly kind: "chain"; readonly base: string; readonly hops: readonly Hop[] }
);

export const longestChain = 3;
/** A full artifact up to here is sent whole: making a patch would cost more than it saves. */
export const worthPatchingBytes = 64 * 1024;
/** A published chain below this part of the full artifact does for a few hosts: making a patch reads both artifacts whole. */
const smallChainPart = 5;
/** Hosts let no decoder have more. */
export const mostMemoryMib = 1024;

interface Candidate<Hop extends PatchHop> {
  readonly path: ChosenPath<Hop>;
  readonly bytes: number;
  readonly words: string;
}

/**
 * The fewest bytes win; equal ones prefer direct, then full. A direct patch that is still to be made, where that is worth it,
 * is the choice until its size is known: ask again with it as a hop, or without `canMake` when it could not be made.
 */
export function choosePath<Hop extends PatchHop>(input: PathInput<Hop>): ChosenPath<Hop> {
  if (input.built) return { kind: "present", bytes: 0, why: "built there already" };
  const usable = input.hops.filter(({ variant, memoryMib }) => input.variants.includes(variant) && memoryMib <= mostMemoryMib); // biome-ignore format: one line
  const chain = shortestChain(input, usable);
  const published = publishedPatch(input, usable);
  const making = published === undefined ? patchToMake<Hop>(input, chain?.bytes) : undefined;
  const direct = published ?? making?.candidate;
  const full = fullArtifact<Hop>(input.full);
  const ranked = [direct, full, chain].flatMap((each) => each ?? []).sort((a, b) => a.bytes - b.bytes); // stable: ties keep this order
  const [best = full] = ranked;
  const compared = ranked.map(({ words }) => words);
  const spared = making?.spared ?? [];
  const why = [...compared, ...spared, ...whyNoPatch(input, { direct, chain }), ...(input.remarks ?? [])].join("; ");
  return { ...best.path, why };
}

function fullArtifact<Hop extends PatchHop>({ bytes }: PathInput["full"]): Candidate<Hop> {
  return {
    path: { kind: "full", bytes, why: "" },
    bytes: bytes ?? Number.MAX_SAFE_INTEGER,
    words: bytes === undefined ? "full artifact" : `full ${formatBytes(bytes)}`,
  };
}

/** Published, or made already. */
function publishedPatch<Hop extends PatchHop>(
  input: PathInput<Hop>,
  usable: readonly Hop[],
): Candidate<Hop> | undefined {
  const hop = smallest(usable.filter(({ from, to }) => to === input.target && input.bases.includes(from)));
  return (
    hop && {
      path: { kind: "direct", base: hop.from, hop, bytes: hop.bytes, why: "" },
      bytes: hop.bytes,
      words: `direct patch ${formatBytes(hop.bytes)}`,
    }
  );
}

/** `spared` says that a patch could be made and is not worth it. */
function patchToMake<Hop extends PatchHop>(
  input: PathInput<Hop>,
  chainBytes: number | undefined,
): { readonly candidate?: Candidate<Hop>; readonly spared?: readonly string[] } | undefined {
  const fullBytes = input.full.bytes ?? input.full.size;
  if (input.variants.length === 0 || fullBytes <= worthPatchingBytes) return undefined;
  const base = input.bases.find((each) => input.canMake(each));
  if (base === undefined) return undefined;
  const hosts = input.sharedBy(base);
  const isSmall = chainBytes !== undefined && chainBytes * smallChainPart < fullBytes;
  // A patch saves its hosts the chain at most, and costs about what the full artifact does once.
  if (isSmall && (hosts === 1 || chainBytes * hosts <= fullBytes))
    return {
      spared: [`no direct patch is made for ${hosts} ${hosts === 1 ? "host" : "hosts"}, as the chain is small`],
    };
  const words = `direct patch from ${input.nameOf(base)}, made before it is sent`;
  const path = { kind: "direct", base, hop: undefined, bytes: undefined, why: "" } as const;
  return { candidate: { path, bytes: -1, words } };
}

/** Two or three hops with the fewest bytes in all, from whichever base. Lists are short: every way is looked at. */
function shortestChain<Hop extends PatchHop>(
  input: PathInput<Hop>,
  usable: readonly Hop[],
): Candidate<Hop> | undefined {
  let best: { readonly hops: readonly Hop[]; readonly bytes: number } | undefined;
  const bases = new Set(input.bases);
  const byTarget = Map.groupBy(usable, ({ to }) => to);
  const walk = (to: string, later: readonly Hop[], bytes: number): void => {
    for (const hop of cheapestPairs(byTarget.get(to) ?? [])) {
      if (hop.from === input.target || later.some((each) => each.to === hop.from)) continue;
      const hops = [hop, ...later];
      const sum = bytes + hop.bytes;
      if (best !== undefined && sum >= best.bytes) continue;
      if (bases.has(hop.from) && hops.length > 1) best = { hops, bytes: sum };
      else if (hops.length < longestChain) walk(hop.from, hops, sum);
    }
  };
  walk(input.target, [], 0);
  if (best === undefined) return undefined;
  const { hops, bytes } = best;
  const via = hops.slice(1).map(({ from }) => input.nameOf(from));
  return {
    path: { kind: "chain", base: hops[0]?.from ?? "", hops, bytes, why: "" },
    bytes,
    words: `chain via ${via.join(" and ")} ${formatBytes(bytes)}`,
  };
}

/** One pair may be published for several sets of decoders. */
function cheapestPairs<Hop extends PatchHop>(hops: readonly Hop[]): Hop[] {
  const pairs = Map.groupBy(hops, ({ from }) => from);
  return [...pairs.values()].flatMap((same) => smallest(same) ?? []);
}

/** The first of the smallest. */
function smallest<Hop extends PatchHop>(hops: readonly Hop[]): Hop | undefined {
  return hops.reduce<Hop | undefined>((least, hop) => (least && least.bytes <= hop.bytes ? least : hop), undefined);
}

/** Why nothing but the full artifact came into question. */
function whyNoPatch(input: PathInput, found: { readonly direct: unknown; readonly chain: unknown }): string[] {
  if (found.direct !== undefined || found.chain !== undefined) return [];
  if (input.bases.length === 0) return ["there is no version on the host that a patch could start from"];
  if (input.variants.length === 0) return ["the host has no zstd that applies patches"];
  if ((input.full.bytes ?? input.full.size) <= worthPatchingBytes) return ["too small to be worth a patch"];
  return ["no patch leads there from what the host has"];
}
