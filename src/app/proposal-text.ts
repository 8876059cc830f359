// What a proposed commit is called and says. Pure.
import { approvalTrailer } from "../model/approval-trailer.ts";
import { quotable } from "../model/diagnostic.ts";
import { digestOf } from "../model/digest.ts";
import type { Review } from "../model/review.ts";
import type { NewerVersion, PassedOver } from "./newer-version.ts";

/** The plan of a proposal, as `cutover plan --base … --head …` makes it. */
export interface ProposalPlan {
  readonly text: string;
  readonly markdown: string;
  /** One a release that the proposal changes; each becomes a trailer, so that a merge with the message approves exactly these plans. */
  readonly hashes: readonly string[];
  /** Releases that have something to do and that the proposal does not touch: it approves nothing of theirs. */
  readonly others: readonly string[];
}

/** Which plans a proposal is about. A release that nothing changes for needs no approval. */
export function proposedPlans({ releases }: Pick<Review, "releases">): Pick<ProposalPlan, "hashes" | "others"> {
  const busy = releases.filter(({ plan }) => plan.changes.length + plan.waiting.length > 0);
  return {
    hashes: busy.filter(({ isAskedAnew }) => isAskedAnew).map(({ plan }) => plan.hash),
    others: busy.filter(({ isAskedAnew }) => !isAskedAnew).map(({ release }) => release),
  };
}

const maxTitle = 72;
const maxPlanCharacters = 50_000;

/** `main`, of `refs/heads/main`. */
export function branchName(ref: string): string {
  return ref.replace(/^refs\/heads\//, "");
}

/** `cutover/propose-shop-1.2.4`; of several components a name that is the same for the same versions. */
export function proposalBranch(versions: readonly NewerVersion[]): string {
  const names = namesOf(versions);
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0) return `cutover/propose-${only.replace(" ", "-")}`;
  return `cutover/propose-together-${digestOf(names.join("\n")).slice("sha256:".length, "sha256:".length + 12)}`;
}

export function proposalTitle(versions: readonly NewerVersion[]): string {
  const names = namesOf(versions);
  const title = names.join(", ");
  return title.length <= maxTitle ? title : `${names.length} components: ${names[0]} and others`;
}

/** The whole commit message; trailers last, as git wants them. */
export function proposalMessage(input: {
  readonly versions: readonly NewerVersion[];
  readonly passedOver: readonly PassedOver[];
  readonly plan: ProposalPlan | undefined;
}): string {
  const { versions, plan } = input;
  const parts = [
    proposalTitle(versions),
    "Proposed by cutover: the newest published version within the range.",
    proposalLines(input).join("\n"),
    ...(plan === undefined ? [] : [...othersText(plan), shortened(plan.text)]),
    ...(plan === undefined || plan.hashes.length === 0 ? [] : [plan.hashes.map(approvalTrailer).join("\n")]),
  ];
  return `${parts.join("\n\n")}\n`;
}

function othersText({ others }: ProposalPlan): string[] {
  if (others.length === 0) return [];
  return [
    `Not part of it, and not approved by it: what ${others.join(", ")} ${others.length === 1 ? "has" : "have"} still to do.`,
  ];
}

/** One line a version, one for each that was passed over, and one for each change of a contract that a reviewer must see. */
export function proposalLines({
  versions,
  passedOver,
}: {
  readonly versions: readonly NewerVersion[];
  readonly passedOver: readonly PassedOver[];
}): string[] {
  return [
    ...versions.flatMap(({ asked: { component, match, pinned, range, file, line }, to, contractChanges }) => [
      `- ${component} ${pinned ?? "(not pinned)"} → ${to}${selected(match)}, range "${range}" (${quotable(file)}:${line})`,
      ...contractChanges.map((change) => `  contract of ${component} changes: ${quotable(change, 300)}`),
    ]),
    ...passedOver.map(({ component, version, reason }) => `- passed over: ${component} ${version} (${reason})`),
  ];
}

/** `shop 1.2.4`, each component once, with the highest of its new versions first in line. */
function namesOf(versions: readonly NewerVersion[]): string[] {
  const names = new Map<string, string>();
  for (const { asked, to } of versions) {
    // A component's own version stands for it; a selector's only where nothing else moves.
    if (!names.has(asked.component) || asked.match === undefined)
      names.set(asked.component, `${asked.component} ${to}`);
  }
  return [...names.values()];
}

function selected(match: Readonly<Record<string, string>> | undefined): string {
  if (match === undefined) return "";
  const labels = Object.entries(match).map(([label, value]) => quotable(`${label}=${value}`));
  return ` on hosts with ${labels.join(", ")}`;
}

function shortened(text: string): string {
  const trimmed = text.trim();
  if (trimmed.length <= maxPlanCharacters) return trimmed;
  return `${trimmed.slice(0, maxPlanCharacters)}\n… shortened; cutover plan --base … --head … shows all of it`;
}
