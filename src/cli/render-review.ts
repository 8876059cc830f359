// A review for people at a terminal: what must be seen first, then each release's plan, what it costs and how old the
// knowledge is, and how to agree. Pure.
import { approvalTrailer } from "../model/approval-trailer.ts";
import {
  type ContractReview,
  contractChangeText,
  type ReleaseReview,
  type Review,
  type StepEstimate,
  type TrustChange,
} from "../model/review.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import { evidenceLines } from "./render-error.ts";
import { warningLine } from "./render-pass.ts";
import { renderPlan } from "./render-plan.ts";
import { type Cell, tableLines } from "./table.ts";
import { type Line, styled } from "./text.ts";
import { formatClock, formatDuration } from "./units.ts";

/** More of one contract's entries than these are counted only. */
const mostChanges = 40;

export function renderReview(review: Review): Line[] {
  const { base, head, releases, gone, failed, warnings, trustChange } = review;
  return [
    [styled(`${base.ref} ${base.commit.slice(0, 12)} → ${head.ref} ${head.commit.slice(0, 12)}`, "faint")],
    ...(trustChange === undefined ? [] : trustLines(trustChange)),
    head.signer === undefined
      ? [
          styled("not signed", "bad"),
          ` by anybody whom the Trust of ${base.ref} names: as it is, no controller accepts it`,
        ]
      : [styled(`signed by ${head.signer}`, "faint")],
    ...warnings.map(warningLine),
    ...releases.flatMap((release) => [[], ...releaseLines(release, review.at)]),
    ...failed.flatMap(({ release, code, message, evidence, remedy }) => [
      [],
      [
        styled(`${release === "" ? "documents" : release}:`, "strong"),
        " ",
        styled(`cannot be planned (${code})`, "bad"),
        `: ${message}`,
      ],
      ...(evidence === "" ? [] : evidenceLines(evidence, 2, 20)),
      [styled("next:", "accent"), ` ${remedy}`],
    ]),
    ...(gone.length === 0
      ? []
      : [[], [styled("not in git any more:", "warn"), ` ${gone.join(", ")}; nothing is removed from any host`]]),
  ];
}

function trustLines({ verdict, added, removed }: TrustChange): Line[] {
  const [word, meaning] =
    verdict === "by-admin"
      ? [styled("the Trust changes:", "warn"), " an admin signed it"]
      : [styled("the Trust changes:", "bad"), " no admin signed that, so no controller accepts the commit as it is"];
  const changes = [...added.map((line) => `+ ${line}`), ...removed.map((line) => `- ${line}`)];
  return [
    [word, meaning],
    ...(changes.length === 0 ? ["only the order of its entries"] : changes).map((line): Line => [`  ${line}`]),
  ];
}

interface ApprovalView {
  readonly kind: "not-needed" | "approved" | "stalled";
  readonly by?: { readonly hash: string; readonly commit: string };
  readonly reason?: string;
  readonly lines?: readonly string[];
  readonly trailer?: string | undefined;
  readonly next?: string;
}

/** How the approval of a live plan stands. */
export function approvalLines(view: ApprovalView | undefined): Line[] {
  if (view?.kind === "approved" && view.by !== undefined)
    return [["  ", styled("approved", "good"), ` by commit ${view.by.commit.slice(0, 12)}`]];
  if (view?.kind !== "stalled") return [];
  return [
    ["  ", styled(`waits for approval (${view.reason}):`, "warn")],
    ...(view.lines ?? []).map((line): Line => [`    ${line}`]),
    ...approvalWay(view.trailer),
    [styled("next:", "accent"), ` ${view.next}`],
  ];
}

function approvalWay(trailer: string | undefined): Line[] {
  if (trailer === undefined)
    return [["  nothing runs until each of these is as it was committed again, or is left out of the plan"]];
  return [
    ["  a signed commit with this line as the last paragraph of its message approves the plan as it is:"],
    [`    ${trailer}`],
  ];
}

function releaseLines(
  { release, plan, totalHosts, risks, contracts, estimates, approval, ...state }: ReleaseReview,
  at: number,
): Line[] {
  const changes = plan.changes.length + plan.waiting.length;
  const lines = renderPlan({ plan, totalHosts, risks });
  return [
    ...lines.slice(0, -1),
    ...contracts.flatMap(contractLines),
    ...waitingLines(plan.waiting.map(({ host }) => host)),
    ...estimateLines(estimates),
    stateLine(state, at),
    ...lines.slice(-1),
    ...(approval === "merge" || changes === 0
      ? []
      : [
          [styled("approval:", "accent"), ` the merge commit of ${release} needs this line at the end of its message:`],
          [`  ${approvalTrailer(plan.hash)}`],
        ]),
  ];
}

function waitingLines(hosts: readonly string[]): Line[] {
  if (hosts.length === 0) return [];
  const names = foldHosts(hosts, { ranges: 8 });
  return [["  ", styled("later:", "warn"), ` ${names}: meant as well, and part of the plan's hash`]];
}

function contractLines({ component, from, to, changes }: ContractReview): Line[] {
  const shown = changes.slice(0, mostChanges).map((change): Line => [`    ${contractChangeText(change)}`]);
  const left = changes.length - shown.length;
  return [
    ["  ", styled("contract changes:", "warn"), ` ${component} ${from} → ${to}`],
    ...shown,
    ...(left > 0 ? [[`    and ${left} entries more; --json shows all`]] : []),
  ];
}

function estimateLines(estimates: readonly StepEstimate[]): Line[] {
  if (estimates.length === 0) return [];
  const rows = estimates.map(({ component, from, to, seconds, basis }): Cell[] => [
    { text: component, style: "strong" },
    { text: `${from ?? "(none)"} → ${to}`, style: "accent" },
    { text: seconds === undefined ? "unknown" : formatDuration(seconds * 1_000) },
    { text: basis, style: "faint" },
  ]);
  return tableLines(["component", "from → to", "expected", "from"], rows);
}

/** How old the knowledge is comes with it, always. */
function stateLine({ observedAt, stateProblem }: Pick<ReleaseReview, "observedAt" | "stateProblem">, at: number): Line {
  const age =
    observedAt === undefined
      ? ""
      : `hosts as reported ${formatDuration(Math.max(0, at - observedAt))} ago, ${formatClock(observedAt)}`;
  if (stateProblem === undefined)
    return [styled(`  ${age === "" ? "no host is named by any status note" : age}, by a signed note`, "faint")];
  return ["  ", styled("state:", "warn"), ` ${age === "" ? "" : `${age}; `}${stateProblem}`];
}
