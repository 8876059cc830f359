// Ranges of versions (R66): which versions a range takes, what is wrong with one, and where a Release asks for one.
// What a range means is semver's word. Pure.
import { compareBuild, gt, valid, validRange, satisfies as within } from "semver";
import type { Release, ReleaseComponent } from "../model/release.ts";
import { isRange } from "../model/version-range.ts";
import type { ParsedDocument } from "./parse-documents.ts";

/** False also for a version that is no semantic version: it never matches. */
export function isWithin(version: string, range: string): boolean {
  return valid(version) !== null && validRange(range) !== null && within(version, range);
}

/** Of `versions` those within the range and above `above`, the highest first. */
export function newerWithin(
  versions: readonly string[],
  { range, above }: { readonly range: string; readonly above: string | undefined },
): string[] {
  return versions
    .filter((version) => isWithin(version, range) && (above === undefined || (isSemver(above) && gt(version, above))))
    .sort((a, b) => compareBuild(b, a));
}

interface Words {
  readonly message: string;
  readonly expected?: string;
  readonly nearest?: string;
}

/** What is wrong with a range, in words; undefined when semver can read it. */
export function rangeProblem(range: string): Words | undefined {
  if (validRange(range) !== null) return undefined;
  const close = [range.replaceAll("=>", ">=").replaceAll("=<", "<="), range.replaceAll(/\s*\band\b\s*/gi, " ")].find(
    (each) => each !== range && validRange(each) !== null,
  );
  const message = `"${range}" is not a range that semver can read`;
  return { message, expected: 'such as ">=1.2 <2"', ...(close === undefined ? {} : { nearest: `"${close}"` }) };
}

/** Where one version stands in a Release: a component's own, or one of its selectors'. */
export type Slot = Pick<ReleaseComponent, "version" | "range">;

/** A slot's contradictions, each with the field it is about. A version that is still a range is one: nothing can be rolled out by it. */
export function slotProblems({
  version,
  range,
}: Slot): { readonly field: "version" | "range"; readonly words: Words }[] {
  const bad = range === undefined ? undefined : rangeProblem(range);
  const problems = bad === undefined ? [] : [{ field: "range" as const, words: bad }];
  if (isRange(version)) return [...problems, { field: "version", words: unpinned({ version, range }) }];
  if (range === undefined || bad !== undefined) return problems;
  if (!isSemver(version)) {
    const message = `${version} is no semantic version, so no range ever takes it`;
    return [{ field: "version", words: { message, expected: "a version such as 1.2.3, or no range" } }];
  }
  if (isWithin(version, range)) return [];
  return [
    {
      field: "version",
      words: { message: `${version} is outside of its range "${range}"`, expected: "one within it" },
    },
  ];
}

function unpinned({ version, range }: Slot): Words {
  const bad = rangeProblem(version);
  if (bad !== undefined) return bad;
  if (range !== undefined)
    return { message: `"${version}" is a second range beside \`range\``, expected: "one version" };
  return { message: `not pinned yet: "${version}" is a range, and \`cutover propose\` writes the version` };
}

/** A version of a Release that a range stands behind. */
export interface RangedVersion {
  readonly release: string;
  readonly component: string;
  /** Labels of the selector that it stands in; undefined for the component's own version. */
  readonly match: Readonly<Record<string, string>> | undefined;
  readonly range: string;
  /** Undefined while the range itself stands where the version belongs. */
  readonly pinned: string | undefined;
  /** Where the version is written; both count from 1. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Every version with a range that semver can read, in order of the documents. */
export function rangedVersions(documents: readonly ParsedDocument[]): RangedVersion[] {
  return documents.flatMap((parsed) => (parsed.document.kind === "Release" ? ofRelease(parsed, parsed.document) : []));
}

function ofRelease({ file, yaml }: ParsedDocument, release: Release): RangedVersion[] {
  return release.components.flatMap((component, index) => {
    const own = { slot: component as Slot, match: undefined, path: ["components", index] };
    const selected = component.selectors.map(({ match, ...slot }, place) => {
      return { slot: slot as Slot, match, path: ["components", index, "selectors", place] };
    });
    return [own, ...selected].flatMap(({ slot: { version, range }, match, path }) => {
      const pinned = isRange(version) ? undefined : version;
      const asked = range ?? (pinned === undefined ? version : undefined);
      if (asked === undefined || rangeProblem(asked) !== undefined) return [];
      const place = yaml.place([...path, "version"], "value");
      return [{ release: release.name, component: component.name, match, range: asked, pinned, file, ...place }];
    });
  });
}

function isSemver(version: string): boolean {
  return valid(version) !== null;
}
