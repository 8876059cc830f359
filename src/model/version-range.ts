// Ranges of versions, as text. What a range means is semver's word (desired/ranges.ts); here only what it may be made of.
import { z } from "zod";
import { Version } from "./names.ts";

/** No leading dash, no quotes, no substitution: a range reaches signed texts and commit messages (T23). */
const rangeGrammar = /^(?=[<>=~^*0-9vVxX])[0-9A-Za-z.*+~^<>=| -]{1,128}$/;
const example = 'a semver range such as ">=1.2 <2"';

export const VersionRange = z
  .string()
  .regex(rangeGrammar, example)
  .meta({ id: "VersionRange", description: `${example[0]?.toUpperCase()}${example.slice(1)}` });
export type VersionRange = z.infer<typeof VersionRange>;

/** What a Release may say where a version stands: a version, or, until one is pinned, a range. */
export const VersionOrRange = z
  .string()
  .regex(
    new RegExp(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$|${rangeGrammar.source}`),
    `a version (letters, digits and . _ + -, at most 64), or ${example}`,
  )
  .meta({
    id: "VersionOrRange",
    description:
      "A version, always in quotes, since 1.10 without them is the number 1.1; or a range, which `cutover propose` replaces by a version",
  });

/** What cannot be the name of a version can only be a range; `1.x` is a name, so as a range it belongs into `range`. */
export function isRange(versionOrRange: string): boolean {
  return !Version.safeParse(versionOrRange).success;
}
