// What `cutover propose` found and did: one block a proposal, what it left alone and why, and how a person merges it. Pure.

import { branchName, proposalLines } from "../app/proposal-text.ts";
import type { Proposal, Proposed } from "../app/propose.ts";
import type { CutoverError } from "../errors.ts";
import { approvalTrailer, approvedHashes } from "../model/approval-trailer.ts";
import { renderError, reportError } from "./render-error.ts";
import { type Line, type Span, styled } from "./text.ts";

const outcomeWords: Readonly<Record<Proposal["outcome"], Span>> = {
  proposed: styled("proposed:", "good"),
  updated: styled("updated:", "good"),
  "there-already": styled("there already:", "good"),
  "not-pushed": styled("would propose:", "warn"),
  kept: styled("left alone:", "warn"),
};

export function renderProposals({ base, baseProblem, proposals, failed, passedOver, upToDate }: Proposed): Line[] {
  const lines: Line[] = [[styled(`commit ${base.commit}`, "faint")]];
  if (baseProblem !== undefined)
    lines.push([styled("warning", "warn"), ` ${baseProblem}; proposals stand on the last accepted commit`]);
  for (const proposal of proposals) lines.push([], ...proposalBlock(proposal));
  for (const { title, branch, error } of failed)
    lines.push([], [styled("failed:", "bad"), " ", styled(title, "strong"), ` on ${branch}`], ...errorLines(error));
  for (const { component, version, message } of passedOver)
    lines.push([styled("passed over:", "warn"), ` ${component} ${version}: ${message}`]);
  for (const { component, pinned, range } of upToDate)
    lines.push([styled("up to date:", "good"), ` ${component} ${pinned ?? ""}, nothing newer within "${range}"`]);
  if (proposals.length + failed.length + upToDate.length === 0)
    lines.push(["no release asks for a version with a range"]);
  return [...lines, ...nextLines(proposals, base.ref)];
}

/** The next step of a failure comes with it: others go on. */
function errorLines(error: CutoverError): Line[] {
  return renderError(reportError(error)).map((line): Line => ["  ", ...line]);
}

function proposalBlock({ branch, title, versions, outcome, plan, pull }: Proposal): Line[] {
  const why = outcome === "kept" ? "; it holds commits of somebody else: merge it, or delete the branch" : "";
  return [
    [outcomeWords[outcome], " ", styled(title, "strong"), ` on ${branch}${why}`],
    ...proposalLines({ versions, passedOver: [] }).map((line): Line => [`  ${line}`]),
    ...(pull === undefined ? [] : [[`  ${pull}`]]),
    ...(plan === undefined || outcome !== "not-pushed" ? [] : plan.text.split("\n").map((line): Line => [`  ${line}`])),
  ];
}

/** The merge is signed by a person: that is the approval. Its trailers approve these plans and no others. */
function mergeCommand({ branch, title, message }: Proposal, ref: string): string {
  // Trailers are one paragraph, the last one; each `-m` is one of its own.
  const trailers = approvedHashes(message).map((hash) => `'${approvalTrailer(hash)}'`);
  const paragraph = trailers.length > 1 ? `"$(printf '%s\\n' ${trailers.join(" ")})"` : trailers[0];
  const words = [`'${title}'`, ...(paragraph === undefined ? [] : [paragraph])].map((text) => `-m ${text}`).join(" ");
  return `git fetch origin && git merge --no-ff -S ${words} origin/${branch} && git push origin HEAD:${branchName(ref)}`;
}

function nextLines(proposals: readonly Proposal[], ref: string): Line[] {
  const next = styled("next:", "accent");
  if (proposals.some(({ outcome }) => outcome === "not-pushed")) return [[next, " cutover propose --push"]];
  const [first, ...others] = proposals.filter(({ outcome }) => outcome !== "kept");
  if (first === undefined) return [];
  return [
    [next, ` in your clone: ${mergeCommand(first, ref)}`],
    ...(others.length === 0 ? [] : [["      then: cutover propose --push brings the others up to the merged commit"]]),
  ];
}
