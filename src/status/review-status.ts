// A review as one line on a commit. Green means: planned from verified state. What a reviewer has to decide stands in the comment. Pure.
import type { Review } from "../model/review.ts";
import { intendedChanges } from "./review-facts.ts";
import { counted, formatCount } from "./units.ts";

export const planContext = "cutover/plan";

export interface ReviewStatus {
  readonly state: "success" | "failure" | "pending";
  readonly context: typeof planContext;
  readonly description: string;
}

/** Unknown is never green (P7): a plan from unverified state, or none, is pending. What no controller would accept is red. */
export function reviewStatus({ releases, failed, head, trustChange }: Review): ReviewStatus {
  const context = planContext;
  const refused = trustChange?.verdict === "refused" ? ["the Trust changes without an admin's signature"] : [];
  const broken = failed.length > 0 ? [`${counted(failed.length, "release")} cannot be planned`] : [];
  if (refused.length + broken.length > 0)
    return { state: "failure", context, description: [...refused, ...broken].join(", ") };
  const hosts = new Set(releases.flatMap(({ plan }) => intendedChanges(plan).map(({ host }) => host))).size;
  const irreversible = releases.flatMap(({ risks }) => risks).filter(({ kind }) => kind === "irreversible").length;
  const words = [
    ...(trustChange === undefined ? [] : ["the Trust changes"]),
    hosts === 0 ? "no host changes" : `${counted(hosts, "host")} ${hosts === 1 ? "changes" : "change"}`,
    ...(irreversible === 0 ? [] : [`${formatCount(irreversible)} irreversible`]),
    ...(head.signer === undefined ? ["not signed by a trusted signer"] : []),
  ];
  const unverified = releases.filter(({ stateProblem }) => stateProblem !== undefined).length;
  if (unverified > 0)
    return { state: "pending", context, description: `state of the hosts not verified; ${words.join(", ")}` };
  return { state: "success", context, description: words.join(", ") };
}
