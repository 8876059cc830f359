// Puts a review where it is discussed: the one comment of a pull request, then the status of its head commit.
import type { Review } from "../model/review.ts";
import type { ForgePort } from "../ports.ts";
import { planMarker, renderReviewMarkdown } from "../status/review-markdown.ts";
import { reviewStatus } from "../status/review-status.ts";

export interface PostedReview {
  readonly forge: string;
  readonly comment: { readonly change: "created" | "updated" | "unchanged"; readonly url: string };
  readonly status: ReturnType<typeof reviewStatus>;
}

/** Safe to repeat. The comment comes first: a status that says `planned` links to it. */
export async function postReview(input: {
  readonly forge: ForgePort;
  readonly pull: number;
  readonly review: Review;
}): Promise<PostedReview> {
  const { forge, pull, review } = input;
  const comment = await forge.upsertComment({ pull, marker: planMarker, body: renderReviewMarkdown(review) });
  const status = reviewStatus(review);
  const link = /^https?:\/\//.test(comment.url) ? { targetUrl: comment.url } : {};
  await forge.setStatus(review.head.commit, { ...status, ...link });
  return { forge: forge.name, comment, status };
}
