// The plan as the one comment of a pull request: a marker to find it again, a summary that fits a screen, then release by
// release. Everything foreign in it is inert (T26), and it fits a forge's limit whatever the fleet's size. Pure.
import { formatDiagnostic } from "../model/diagnostic.ts";
import type { Plan } from "../model/plan.ts";
import type { ReleaseReview, Review, TrustChange } from "../model/review.ts";
import { alert, code, details, prose } from "./markdown-text.ts";
import type { Detail } from "./review-detail.ts";
import { intendedChanges, totalTime, type VersionStep, versionSteps } from "./review-facts.ts";
import { releaseLines } from "./review-release.ts";
import { counted, formatClock, formatCount, formatDuration } from "./units.ts";

/** First line of the comment; nothing foreign can write it, since no `<` gets through. */
export const planMarker = "<!-- cutover-plan -->";
/** GitHub takes 65,536, GitLab and Gitea more. */
export const commentLimit = 60_000;

/** From a comment that shows all there is to one that names the counts. */
const detailLevels: readonly [Detail, ...Detail[]] = [
  { ranges: 12, rows: 120, characters: 300 },
  { ranges: 8, rows: 40, characters: 200 },
  { ranges: 6, rows: 12, characters: 160 },
  { ranges: 3, rows: 4, characters: 120 },
  { ranges: 1, rows: 1, characters: 80 },
];

/** Shorter than `commentLimit`, always. */
export function renderReviewMarkdown(review: Review): string {
  let least: string[] = [];
  for (const detail of detailLevels) {
    least = [
      ...headLines(review, detail),
      ...review.releases.flatMap((each) => releaseLines(each, detail)),
      ...endLines(review, detail),
    ];
    const text = joined(least);
    if (text.length < commentLimit) return text;
  }
  return cutShort(least, review);
}

function headLines(review: Review, detail: Detail): string[] {
  const { head, base, releases, failed, trustChange } = review;
  const signed =
    head.signer === undefined
      ? alert("CAUTION", [
          `**${code(head.ref)} is not signed by anybody whom the Trust of ${code(base.ref)} names.** As it is, no controller accepts it: somebody trusted has to sign it, or the commit that merges it.`,
        ])
      : [];
  const broken = failed.flatMap(({ release, code: reason, message, evidence, remedy }) => [
    `- **${release === "" ? "documents" : code(release)}** ${code(reason)}: ${prose(message, detail.characters)}`,
    ...(evidence === "" ? [] : [`  - ${code(evidence, detail.characters * 2)}`]),
    ...(remedy === "" ? [] : [`  - next: ${code(remedy, detail.characters)}`]),
  ]);
  const parts = [
    [planMarker],
    [`## ${headline(review)}`],
    trustChange === undefined ? [] : trustLines(trustChange, detail),
    [...releases.flatMap(summaryLines), stateLine(review), commitLine(review)],
    signed,
    broken.length === 0 ? [] : alert("CAUTION", ["**Cannot be planned**", "", ...broken]),
  ];
  return parts.filter((part) => part.length > 0).flatMap((part) => (part[0] === planMarker ? part : [...part, ""]));
}

/** Above everything else: who may sign what decides about all the rest. */
function trustLines({ verdict, added, removed }: TrustChange, detail: Detail): string[] {
  const title =
    verdict === "by-admin"
      ? "**The Trust changes**: an admin signed it. Whoever is added here may sign from the next commit on."
      : "**The Trust changes, and no admin signed that**: no controller accepts the commit as it is. The plan below is made with the Trust in force.";
  const shown = (lines: readonly string[], sign: string) => {
    const listed = lines.slice(0, detail.rows).map((line) => `- ${sign} ${code(line, 200)}`);
    return lines.length > listed.length
      ? [...listed, `- ${sign} ${formatCount(lines.length - listed.length)} more`]
      : listed;
  };
  const changes = [...shown(added, "added:"), ...shown(removed, "removed:")];
  return alert("CAUTION", [title, "", ...(changes.length === 0 ? ["- only the order of its entries"] : changes)]);
}

function headline({ releases, failed }: Review): string {
  const hosts = new Set(releases.flatMap(({ plan }) => intendedChanges(plan).map(({ host }) => host))).size;
  const problem = failed.length === 0 ? "" : `, ${counted(failed.length, "release")} cannot be planned`;
  if (failed.some(({ release }) => release === "")) return "Plan: there is none, the documents cannot be read";
  if (hosts === 0) return `Plan: no host changes${problem}`;
  return `Plan: ${counted(hosts, "host")} ${hosts === 1 ? "changes" : "change"}${problem}`;
}

/** What changes, on how many hosts, how long it takes, how it goes back; and what to look at. */
function summaryLines(review: ReleaseReview): string[] {
  const { release, plan, totalHosts } = review;
  const steps = versionSteps(review);
  const name = `- **${code(release)}**: `;
  if (steps.length === 0) return [`${name}nothing to do`, ...warningLines(review)];
  const hosts = new Set(steps.flatMap((step) => step.hosts)).size;
  const components = [...Map.groupBy(steps, ({ component }) => component)];
  const listed = components.slice(0, 8).map(([component, [first, ...others]]) => {
    if (first === undefined || others.length > 0) return `${code(component)} (${others.length + 1} version steps)`;
    return `${code(component)} ${first.from === undefined ? "new" : code(first.from)} → ${code(first.to)}`;
  });
  if (components.length > listed.length) listed.push(`${formatCount(components.length - listed.length)} more`);
  const batches = plan.steps.filter(({ kind }) => kind === "switch").length;
  const back = {
    auto: "a failed batch is undone",
    release: "one failed batch undoes the whole run",
    manual: "a failed batch stays until a person decides",
  }[plan.rollbackPolicy];
  return [
    `${name}${listed.join(", ")}`,
    `  - Where: ${formatCount(hosts)} of ${counted(Math.max(hosts, totalHosts), "host")}, in ${batches === 1 ? "1 batch" : `${formatCount(batches)} batches`}`,
    ...onwardLines(plan),
    `  - How long: ${timeText(steps)}`,
    `  - Way back: ${back}; a host that nobody confirms goes back by itself`,
    ...warningLines(review),
  ];
}

/** Where stepping stones lead in the end: one approval is for all of that. */
function onwardLines({ paths = [] }: Plan): string[] {
  const onward = paths.filter(({ via }) => via.length > 0);
  if (onward.length === 0) return [];
  const words = onward.slice(0, 4).map(({ component, to, via }) => {
    return `${code(component)} to ${code(to)} in ${via.length + 1} plans`;
  });
  if (onward.length > words.length) words.push(`${formatCount(onward.length - words.length)} more`);
  return [`  - Goes on by itself: ${words.join(", ")}`];
}

function timeText(steps: readonly VersionStep[]): string {
  const { seconds, unknown } = totalTime(steps);
  if (unknown === steps.length) return "not known, there is no history";
  if (unknown === 0) return `about ${formatDuration(seconds * 1_000)}`;
  return `at least ${formatDuration(seconds * 1_000)}; no history for ${formatCount(unknown)} of ${formatCount(steps.length)} steps`;
}

function warningLines(review: ReleaseReview): string[] {
  const irreversible = review.risks.filter(({ kind }) => kind === "irreversible").length;
  const risky = review.risks.length - irreversible;
  const words = [
    ...(irreversible > 0 ? [`**${formatCount(irreversible)} irreversible**`] : []),
    ...(risky > 0 ? [`**${formatCount(risky)} risky**`] : []),
    ...(review.approval === "plan-hash" ? ["needs its plan hash in the merge commit"] : []),
  ];
  const left = leftAlone(review);
  return [
    ...(left.length === 0 ? [] : [`  - Left alone today: ${left.join(", ")}`]),
    ...(words.length === 0 ? [] : [`  - Look at: ${words.join(", ")}`]),
  ];
}

function leftAlone({ plan }: ReleaseReview): string[] {
  const count = (wanted: (reason: string) => boolean) =>
    new Set(plan.held.filter(({ reason }) => wanted(reason)).map(({ host }) => host)).size;
  const words = [
    [count((reason) => reason === "drifted"), "drifted"],
    [count((reason) => reason === "unreachable"), "unreachable"],
    [count((reason) => reason !== "drifted" && reason !== "unreachable"), "held"],
  ] as const;
  return words.flatMap(([hosts, word]) => (hosts === 0 ? [] : [`${formatCount(hosts)} ${word}`]));
}

function stateLine({ releases, at }: Review): string {
  const known = releases.flatMap(({ observedAt }) => observedAt ?? []);
  const problems = releases.filter(({ stateProblem }) => stateProblem !== undefined).length;
  const oldest = known.reduce((least, each) => Math.min(least, each), Number.MAX_SAFE_INTEGER);
  if (releases.length === 0) return "- State of the hosts: not needed, nothing was planned";
  if (known.length === 0) return "- State of the hosts: **not known**, there is no note";
  const age = `as of ${formatClock(oldest)}, ${formatDuration(Math.max(0, at - oldest))} old`;
  if (problems > 0) return `- State of the hosts: **not verified** for ${counted(problems, "release")}, ${age}`;
  return `- State of the hosts: ${age}, from a note with a verified signature; a run observes anew`;
}

function commitLine({ base, head }: Review): string {
  const by = head.signer === undefined ? "**not signed by a trusted signer**" : `signed by ${code(head.signer)}`;
  const named = ({ ref, commit }: Review["base"]) =>
    ref === commit ? code(commit.slice(0, 12)) : `${code(ref)} (${code(commit.slice(0, 12))})`;
  return `- From ${named(base)} to ${named(head)}, ${by}`;
}

function endLines({ gone, warnings, base, head, at }: Review, detail: Detail): string[] {
  const left = gone.slice(0, 20).map((release) => code(release));
  if (gone.length > left.length) left.push(`${formatCount(gone.length - left.length)} more`);
  const removed =
    gone.length === 0
      ? []
      : [
          `**No longer in the repository**: ${left.join(", ")}. Nothing is removed from any host; what runs there goes on.`,
          "",
        ];
  const shown = warnings
    .slice(0, detail.rows)
    .map((warning) => `- ${prose(formatDiagnostic(warning), detail.characters * 2)}`);
  if (warnings.length > shown.length) shown.push(`- … and ${formatCount(warnings.length - shown.length)} more`);
  const noted =
    warnings.length === 0
      ? []
      : [
          ...(warnings.length > 3
            ? details(counted(warnings.length, "warning"), shown)
            : ["**Warnings**", "", ...shown]),
          "",
        ];
  return [...removed, ...noted, `Made ${formatClock(at)}. The same at home: ${code(command({ base, head }), 300)}`];
}

function command({ base, head }: Pick<Review, "base" | "head">): string {
  return `cutover plan --base ${base.commit} --head ${head.commit}`;
}

/** Hundreds of releases in one pull request: whole lines from the top, and plainly what is missing. */
function cutShort(lines: readonly string[], review: Review): string {
  const notice = [
    "",
    `**Too much for one comment: the rest is not shown**, risks included. All of it: ${code(command(review), 300)}`,
  ];
  const room = commentLimit - 1 - joined(notice).length - "</details>\n```\n\n".length;
  const kept: string[] = [];
  let used = 0;
  for (const line of lines) {
    used += line.length + 1;
    if (used > room) break;
    kept.push(line);
  }
  const count = (pattern: RegExp) => kept.filter((line) => pattern.test(line)).length;
  if (count(/^```/) % 2 === 1) kept.push("```");
  if (count(/^<details>/) > count(/^<\/details>$/)) kept.push("", "</details>");
  return joined([...kept, ...notice]);
}

function joined(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}
