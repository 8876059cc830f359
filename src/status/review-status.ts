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

/** Unknown is never green (P7): a plan from unverified state, or none, is pending. */
export function reviewStatus({ releases, failed, head }: Review): ReviewStatus {
  const context = planContext;
  if (failed.length > 0)
    return { state: "failure", context, description: `${counted(failed.length, "release")} cannot be planned` };
  const hosts = new Set(releases.flatMap(({ plan }) => intendedChanges(plan).map(({ host }) => host))).size;
  const irreversible = releases.flatMap(({ risks }) => risks).filter(({ kind }) => kind === "irreversible").length;
  const words = [
    hosts === 0 ? "no host changes" : `${counted(hosts, "host")} ${hosts === 1 ? "changes" : "change"}`,
    ...(irreversible === 0 ? [] : [`${formatCount(irreversible)} irreversible`]),
    ...(head.signer === undefined ? ["not signed by a trusted signer"] : []),
  ];
  const unverified = releases.filter(({ stateProblem }) => stateProblem !== undefined).length;
  if (unverified > 0)
    return { state: "pending", context, description: `state of the hosts not verified; ${words.join(", ")}` };
  return { state: "success", context, description: words.join(", ") };
}
