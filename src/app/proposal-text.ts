// What a proposed commit is called and says. Pure.
import { quotable } from "../model/diagnostic.ts";
import { digestOf } from "../model/digest.ts";
import type { NewerVersion, PassedOver } from "./newer-version.ts";

/** The plan of a proposal, as `cutover plan --base … --head …` makes it. */
export interface ProposalPlan {
  readonly text: string;
  readonly markdown: string;
  /** One a release; each becomes a trailer, so that a merge with the message approves exactly these plans. */
  readonly hashes: readonly string[];
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
    ...(plan === undefined ? [] : [shortened(plan.text)]),
    ...(plan === undefined || plan.hashes.length === 0
      ? []
      : [plan.hashes.map((hash) => `Cutover-Plan: ${hash}`).join("\n")]),
  ];
  return `${parts.join("\n\n")}\n`;
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
