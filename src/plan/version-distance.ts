// How far two versions are apart, in the units of a skew limit. Versions are compared by the numbers they start with. Pure.
import type { SkewLimit } from "../model/release.ts";

const units = ["major", "minor", "patch"] as const;

/** `v1.4.2-rc1` → 1, 4, 2; what is left out is 0. Undefined for a version that does not start with numbers. */
export function versionNumbers(version: string): readonly [number, number, number] | undefined {
  const found = /^v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:[.+-].*)?$/.exec(version);
  if (found === null) return undefined;
  const [, major, minor = "0", patch = "0"] = found;
  return [Number(major), Number(minor), Number(patch)];
}

/** Below 0 when `a` is the older one: by its numbers, and where these say nothing by when it was published. */
export function compareAge(
  a: { readonly version: string; readonly sequence: number },
  b: { readonly version: string; readonly sequence: number },
): number {
  const [own, other] = [versionNumbers(a.version), versionNumbers(b.version)];
  const place =
    own === undefined || other === undefined ? -1 : own.findIndex((number, index) => number !== other[index]);
  return place === -1 ? a.sequence - b.sequence : (own?.[place] ?? 0) - (other?.[place] ?? 0);
}

/** What the limit says against these two running at the same time: `2 minor ahead, at most 1 minor is allowed`. Undefined when nothing. */
export function skewProblem(
  { ahead, behind }: Pick<SkewLimit, "ahead" | "behind">,
  { version, other }: { readonly version: string; readonly other: string },
): string | undefined {
  if (version === other) return undefined;
  const [own, theirs] = [versionNumbers(version), versionNumbers(other)];
  if (own === undefined || theirs === undefined)
    return `${own === undefined ? version : other} does not start with numbers, so nobody can tell how far they are apart`;
  const place = own.findIndex((number, index) => number !== theirs[index]);
  const unit = units[place];
  if (unit === undefined) return undefined;
  const distance = (own[place] ?? 0) - (theirs[place] ?? 0);
  const [limit, direction] = distance > 0 ? [ahead, "ahead"] : [behind, "behind"];
  if (limit === undefined || isWithin(limit, { unit: place, count: Math.abs(distance) })) return undefined;
  return `${Math.abs(distance)} ${unit} ${direction}, at most ${limit} is allowed`;
}

/** A difference in a larger unit is never within a limit in a smaller one; one in a smaller unit always is. */
function isWithin(limit: string, { unit, count }: { readonly unit: number; readonly count: number }): boolean {
  const limited = units.findIndex((each) => limit.endsWith(each));
  return unit === limited ? count <= Number.parseInt(limit, 10) : unit > limited;
}
