// A run does what its plan says, also with versions (P12): one that was published again since with other content is not sent.
import { RefusedError } from "../errors.ts";
import type { Plan } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import type { TaskId } from "../model/task.ts";

/** What a plan was made with, by `component@version`; undefined where it does not say. */
export type PlannedVersion = (key: string) => {
  readonly tree: string | undefined;
  readonly contract: string | undefined;
};

export function plannedVersions({ changes, contracts }: Pick<Plan, "changes" | "contracts">): PlannedVersion {
  const trees = new Map(changes.map(({ component, to, toTree }) => [`${component}@${to}`, toTree]));
  return (key) => ({ tree: trees.get(key), contract: contracts?.[key] });
}

const forward = {
  impact: "It is sent to no further host; the run ends without switching to it, and the next pass plans anew",
  remedy: "cutover plan",
};
const back = {
  impact: "Nothing was changed; what ran before cannot be had under this name any more",
  remedy: "cutover publish what ran before under a new version, and ask for that one in git",
};

const inRun = (task: string) => ({
  impact: "Nothing was changed; the open run stands on what it was planned with",
  remedy: `cutover task retry ${task} --amend --reason …, which takes the new one into the run`,
});

/** Throws RefusedError `version-changed`. A renewed expiry is no other content. */
export function refuseOtherVersion(
  published: PublishedVersion,
  planned: ReturnType<PlannedVersion>,
  way: "forward" | "back" | { readonly inRun: TaskId } = "forward",
): void {
  const { component, version } = published;
  const differing = [
    { what: "other files", before: planned.tree, now: published.tree },
    { what: "another task bundle or contract", before: planned.contract, now: published.contract },
  ].find(({ before, now }) => before !== undefined && before !== now);
  if (differing === undefined) return;
  const { what, before, now } = differing;
  throw new RefusedError({
    code: "version-changed",
    message: `${component} ${version} was published again with ${what} since`,
    // Journaled with the failed task: it says all by itself.
    evidence: `${component} ${version} has ${what}: planned with ${before}, published now ${now}`,
    ...(typeof way === "string" ? { forward, back }[way] : inRun(way.inRun)),
  });
}
