// N-X upgrades (R16): which way leads from the version that a host runs to the one that is asked for, over published versions
// that may follow each other; the fewest bytes win, and what was rejected is said with the reason. Pure.
import { formatBytes } from "../model/format-bytes.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import { compareText } from "./difference.ts";
import { compareAge } from "./version-distance.ts";

/** What the search needs to know of a version. One that runs and that nobody can read has only its name. */
export type MappedVersion = Pick<PublishedVersion, "version" | "sequence" | "upgrade">;

export interface Hop {
  readonly from: MappedVersion;
  readonly to: MappedVersion;
}

/** Whether a version is within a range such as `>=1.4 <2`; semver's word. */
export type Takes = (version: string, range: string) => boolean;

export interface WayInput {
  readonly start: MappedVersion;
  readonly goal: MappedVersion;
  /** Published versions that may be stepping stones, besides start and goal; in any order. */
  readonly stones: readonly MappedVersion[];
  readonly takes: Takes;
  /** What else forbids a hop, such as a migration's step that it would pass over. */
  readonly problem?: (hop: Hop) => string | undefined;
  /** Why a version may be nobody's stepping stone, such as its quarantine. */
  readonly refused?: (version: string) => string | undefined;
  /** Bytes that one host receives for a hop. */
  readonly bytes: (hop: Hop) => number;
}

export interface Rejected {
  /** `1.0.0 → 3.0.0`, or a version that might have been a stepping stone. */
  readonly way: string;
  readonly why: string;
}

export interface Way {
  /** Versions after the start, the goal last; empty when no way is allowed. */
  readonly hops: readonly string[];
  readonly bytes: number;
  readonly rejected: readonly Rejected[];
}

/**
 * Why a host may not go from one version straight to the other. Who is asked is the later of the two: a way back is allowed
 * where the way there was.
 */
export function hopProblem({ from, to }: Hop, takes: Takes): string | undefined {
  const isUp = compareAge(from, to) < 0;
  const [earlier, later] = isUp ? [from, to] : [to, from];
  const range = later.upgrade?.from;
  if (range === undefined || takes(earlier.version, range)) return undefined;
  return isUp
    ? `${to.version} takes hosts from "${range}" only`
    : `${from.version} came from "${range}" only, so it goes back to those only`;
}

/** The direct way where that is allowed, else the cheapest allowed one; equal ones have fewer stones, then the earlier names. */
export function upgradePath(input: WayInput): Way {
  const { start, goal } = input;
  const direct = { from: start, to: goal };
  if (whyNot(direct, input) === undefined) return { hops: [goal.version], bytes: input.bytes(direct), rejected: [] };
  const isUp = compareAge(start, goal) < 0;
  const between = input.stones
    .filter((stone) => isBetween(stone, input))
    .sort((a, b) => (isUp ? compareAge(a, b) : compareAge(b, a)));
  const stones = between.filter((stone) => unfit(stone, input) === undefined);
  const order = [start, ...stones, goal];
  const ways = cheapestWays(order, input);
  const back = cheapestWays([...order].reverse(), { ...input, reversed: true });
  const best = ways.get(goal.version);
  const hops = best?.hops ?? [];
  return { hops, bytes: best?.bytes ?? 0, rejected: rejectedWays(input, { between, stones, hops, ways, back }) };
}

/** Only versions on the way from one to the other: none leads past the goal, or away from it. */
export function isBetween(stone: MappedVersion, { start, goal }: Pick<WayInput, "start" | "goal">): boolean {
  if (stone.version === start.version || stone.version === goal.version) return false;
  const [low, high] = compareAge(start, goal) < 0 ? [start, goal] : [goal, start];
  return compareAge(low, stone) < 0 && compareAge(stone, high) < 0;
}

interface Found {
  readonly hops: readonly string[];
  readonly bytes: number;
}

/** From the first of `order` to each of the others, every hop forwards; reversed, from each of the others to the first. */
function cheapestWays(
  order: readonly MappedVersion[],
  { reversed = false, ...input }: WayInput & { readonly reversed?: boolean },
): Map<string, Found> {
  const ways = new Map<string, Found>();
  for (const [index, to] of order.entries()) {
    if (index === 0) ways.set(to.version, { hops: [], bytes: 0 });
    for (const from of order.slice(0, index)) {
      const before = ways.get(from.version);
      const hop = reversed ? { from: to, to: from } : { from, to };
      if (before === undefined || whyNot(hop, input) !== undefined) continue;
      const hops = reversed ? [from.version, ...before.hops] : [...before.hops, to.version];
      const found = { hops, bytes: before.bytes + input.bytes(hop) };
      const known = ways.get(to.version);
      if (known === undefined || compareWays(found, known) < 0) ways.set(to.version, found);
    }
  }
  return ways;
}

function compareWays(a: Found, b: Found): number {
  return a.bytes - b.bytes || a.hops.length - b.hops.length || compareText(a.hops.join(" "), b.hops.join(" "));
}

/**
 * A stepping stone has to be one that the version after it names, where it names any. Only who asks to go straight to the goal is
 * no stone. It holds for each stretch of a way alone as for the whole: who has come to a stone goes on as was meant.
 */
function whyNot(hop: Hop, { start, goal, takes, problem }: WayInput): string | undefined {
  const found = hopProblem(hop, takes) ?? problem?.(hop);
  if (found !== undefined) return found;
  const { from, to } = hop;
  if (from.version !== start.version && to.version !== goal.version && goesStraight(from, { goal, takes, problem }))
    return `who has come to ${from.version} goes straight on to ${goal.version}`;
  const isUp = compareAge(from, to) < 0;
  const [earlier, later] = isUp ? [from, to] : [to, from];
  const isDirect = isUp ? from.version === start.version && to.version === goal.version : to.version === goal.version;
  return isDirect ? undefined : notNamed(earlier, later);
}

/** A host that has come to this stone is planned for anew, and takes the direct way whatever it costs. */
function goesStraight(
  stone: MappedVersion,
  { goal, takes, problem }: Pick<WayInput, "goal" | "takes"> & { readonly problem: WayInput["problem"] | undefined },
): boolean {
  const hop = { from: stone, to: goal };
  return (hopProblem(hop, takes) ?? problem?.(hop)) === undefined;
}

function notNamed(stone: MappedVersion, { version, upgrade }: MappedVersion): string | undefined {
  const via = upgrade?.via ?? [];
  if (via.length === 0 || via.includes(stone.version)) return undefined;
  return `${version} names ${via.join(", ")} as stepping stones, and not ${stone.version}`;
}

/** Also not further back on the way: a host that has come there would go straight on. */
function unfit(stone: MappedVersion, { start, goal, takes, refused }: WayInput): string | undefined {
  const why = refused?.(stone.version);
  if (why !== undefined || compareAge(start, goal) > 0) return why;
  const range = goal.upgrade?.from;
  return range !== undefined && takes(stone.version, range) ? notNamed(stone, goal) : undefined;
}

interface Outcome extends Pick<Way, "hops"> {
  readonly between: readonly MappedVersion[];
  /** Those of them that are fit for it. */
  readonly stones: readonly MappedVersion[];
  readonly ways: ReadonlyMap<string, Found>;
  readonly back: ReadonlyMap<string, Found>;
}

/** The direct way first, then each version that might have been a stepping stone, in the order of the way. */
function rejectedWays(input: WayInput, { between, stones, hops, ways, back }: Outcome): Rejected[] {
  const { start, goal } = input;
  const direct = whyNot({ from: start, to: goal }, input);
  const rejected: Rejected[] = direct === undefined ? [] : [{ way: `${start.version} → ${goal.version}`, why: direct }];
  for (const stone of stones) {
    if (hops.includes(stone.version)) continue;
    const [there, onward] = [ways.get(stone.version), back.get(stone.version)];
    const why =
      there === undefined
        ? (whyNot({ from: start, to: stone }, input) ?? `nothing leads to it from ${start.version}`)
        : onward === undefined
          ? (whyNot({ from: stone, to: goal }, input) ?? `nothing leads on from it to ${goal.version}`)
          : `${formatBytes(there.bytes + onward.bytes)} in all`;
    rejected.push({ way: stone.version, why });
  }
  for (const stone of between) {
    const why = unfit(stone, input);
    if (why !== undefined) rejected.push({ way: stone.version, why });
  }
  return rejected;
}
