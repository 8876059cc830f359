// One release within the comment: what must be seen first, then the table, the picture, what is left alone, the approval. Pure.
import { approvalTrailer } from "../model/approval-trailer.ts";
import { formatBytes } from "../model/format-bytes.ts";
import type { Held, OrderEdge, PlannedPath } from "../model/plan.ts";
import type { ContractReview, ReleaseReview, RiskItem } from "../model/review.ts";
import { foldHosts } from "./fold-hosts.ts";
import { alert, code, details, prose, table } from "./markdown-text.ts";
import { orderLine } from "./order-words.ts";
import type { Detail } from "./review-detail.ts";
import { editLines } from "./review-edits.ts";
import { intendedChanges, totalBytes, transferBytes, type VersionStep, versionSteps } from "./review-facts.ts";
import { reviewMermaid } from "./review-mermaid.ts";
import { trafficWords } from "./traffic-words.ts";
import { counted, formatCount, formatDuration } from "./units.ts";

export function releaseLines(review: ReleaseReview, detail: Detail): string[] {
  const { release, plan, risks, stateProblem, contracts } = review;
  const steps = versionSteps(review);
  const mermaid = reviewMermaid({ plan, changes: intendedChanges(plan) });
  const picture = mermaid.length === 0 ? [] : ["```mermaid", ...mermaid, "```"];
  const parts = [
    [`### Release ${code(release)}`],
    stateProblem === undefined
      ? []
      : alert("WARNING", [`**The state of the hosts is not verified**: ${prose(stateProblem, detail.characters)}`]),
    riskLines(risks, detail),
    steps.length === 0 ? ["No host has to change."] : table(columns, stepRows(steps, review, detail)),
    pathParts(plan.paths ?? [], detail),
    ...contractParts(contracts, detail),
    impactLines(steps, review),
    picture,
    orderParts(plan.order ?? [], detail),
    trafficParts(plan),
    restorePointParts(plan),
    editLines(plan.edits ?? [], detail),
    ...heldParts(plan.held, detail),
    details("How the bytes get there, and where the times come from", whyLines(steps, detail)),
    approvalLines(review),
  ];
  return parts.filter((part) => part.length > 0).flatMap((part) => [...part, ""]);
}

/** What cannot be taken back, or may hurt, stands open above everything else of its release. */
function riskLines(risks: readonly RiskItem[], detail: Detail): string[] {
  const box = (kind: RiskItem["kind"]) =>
    risks
      .filter((risk) => risk.kind === kind)
      .map((risk) => {
        const where = risk.hosts.length === 0 ? "" : ` (${hostList(risk.hosts, detail.ranges)})`;
        return `- **${code(risk.component)}** ${code(risk.reason)}: ${prose(risk.text, detail.characters)}${where}`;
      });
  const [irreversible, risky] = [box("irreversible"), box("risky")];
  const blocks = [
    irreversible.length === 0 ? [] : alert("CAUTION", ["**Cannot be taken back**", "", ...irreversible]),
    risky.length === 0 ? [] : alert("WARNING", ["**Risky**", "", ...risky]),
  ].filter((block) => block.length > 0);
  return blocks.flatMap((block, index) => (index === 0 ? block : ["", ...block]));
}

const columns = ["component", "from → to", "switch", "path", "hosts", "batches", "bytes", "time", "undo"];

/** One row a component; a second one where some of its hosts come from, or go to, another version. */
function stepRows(steps: readonly VersionStep[], review: ReleaseReview, detail: Detail): string[][] {
  const byComponent = Map.groupBy(steps, ({ component }) => component);
  return [...byComponent].flatMap(([component, mine]) => {
    const shown = mine
      .slice(0, detail.rows)
      .map((step, index) => [
        index === 0 ? `**${code(component)}**` : "",
        `${step.from === undefined ? "none" : code(step.from)} → ${code(step.to)}${contractWords(step, review)}`,
        step.commitOnly ? "" : step.switches.join("; "),
        pathCell(step),
        `${hostList(step.hosts, Math.min(2, detail.ranges))}${step.waiting > 0 ? ` (${formatCount(step.waiting)} not today)` : ""}`,
        batchCell(step.batches),
        bytesCell(step),
        step.estimate?.seconds === undefined ? "not known" : formatDuration(step.estimate.seconds * 1_000),
        undoCell(step, review),
      ]);
    const left = mine.slice(shown.length);
    const hosts = left.reduce((sum, step) => sum + step.hosts.length, 0);
    const more = ["", `${formatCount(left.length)} more version steps`, "", "", counted(hosts, "host"), "", "", "", ""];
    return left.length === 0 ? shown : [...shown, more];
  });
}

function contractWords({ component, from, to }: VersionStep, { contracts }: ReleaseReview): string {
  const mine = contracts.find((each) => each.component === component && each.from === from && each.to === to);
  return mine === undefined ? "" : ` (contract: ${counted(mine.changes.length, "change")})`;
}

/** What a host does otherwise than before: which entries stands open, their values where there is room for them. */
function contractParts(contracts: readonly ContractReview[], detail: Detail): string[][] {
  const parts = contracts.slice(0, detail.rows).map(({ component, from, to, changes }) => {
    const names = changes.slice(0, detail.ranges).map(({ key }) => code(key, 80));
    if (changes.length > names.length) names.push(`${formatCount(changes.length - names.length)} more`);
    const rows = changes
      .slice(0, detail.rows)
      .map(({ key, from: old, to: now }) => [
        code(key, 80),
        old === undefined ? "none" : code(old, detail.characters),
        now === undefined ? "none" : code(now, detail.characters),
      ]);
    const left = changes.length - rows.length;
    if (left > 0) rows.push([`${formatCount(left)} more`, "", ""]);
    return [
      `**Contract of ${code(component)} changes**, ${code(from)} → ${code(to)}: ${names.join(", ")}`,
      "",
      ...details(`Entries of the contract, before and after`, table(["entry", "before", "after"], rows)),
    ];
  });
  const left = contracts.length - parts.length;
  return left > 0 ? [...parts, [`${formatCount(left)} more contracts change: \`cutover plan\` shows all.`]] : parts;
}

/** Ways over stepping stones, whole: what is approved here is all of it. */
function pathParts(paths: readonly PlannedPath[], detail: Detail): string[] {
  if (paths.length === 0) return [];
  const rows = paths
    .slice(0, detail.rows)
    .map(({ component, from, to, via, hosts, bytesPerHost, waitsFor }) => [
      `**${code(component)}**`,
      [from === undefined ? "none" : code(from), ...via.map((version) => code(version)), code(to)].join(" → "),
      via[0] === undefined ? `waits for ${code(waitsFor ?? "")}` : code(via[0]),
      hostList(hosts, Math.min(2, detail.ranges)),
      bytesPerHost === undefined ? "" : formatBytes(bytesPerHost),
    ]);
  const left = paths.length - rows.length;
  if (left > 0) rows.push([`${formatCount(left)} more`, "", "", "", ""]);
  const rejected = paths.flatMap(({ component, rejected }) =>
    rejected.map(({ way, why }) => `- ${code(component)} ${code(way)}: ${prose(why, detail.characters)}`),
  );
  const shown = rejected.slice(0, detail.rows);
  if (rejected.length > shown.length) shown.push(`- and ${formatCount(rejected.length - shown.length)} more`);
  return [
    "**Stepping stones**: this plan leads to those under *now*; the next one goes on when they are committed.",
    "",
    ...table(["component", "whole way", "now", "hosts", "bytes a host"], rows),
    ...(shown.length === 0 ? [] : ["", ...details("Ways that were looked at and not taken", shown)]),
  ];
}

function pathCell({ transfers, commitOnly }: VersionStep): string {
  if (commitOnly) return "commit only";
  const words = transfers.map(({ path, via }) => {
    if (path === "present") return "already there";
    if (path === "full") return "full artifact";
    return path === "direct" ? "patch" : `chain over ${via.map((version) => code(version)).join(", ")}`;
  });
  return [...new Set(words)].join(", ") || "not known";
}

function batchCell(batches: readonly number[]): string {
  const [first, last] = [batches[0], batches.at(-1)];
  if (first === undefined || last === undefined) return "";
  if (first === last) return `1 (no. ${first})`;
  return `${formatCount(batches.length)} (no. ${first} to ${last})`;
}

function bytesCell({ transfers, commitOnly }: VersionStep): string {
  if (commitOnly) return "";
  if (transfers.length === 0) return "not known";
  const parts = transfers.map((transfer) => {
    const total = transferBytes(transfer);
    if (total === undefined) return "not known yet";
    if (total === 0 || transfer.hosts.length === 1) return formatBytes(total);
    return `${formatBytes(transfer.bytesPerHost ?? 0)} × ${formatCount(transfer.hosts.length)} = ${formatBytes(total)}`;
  });
  return [...new Set(parts)].slice(0, 3).join(", ");
}

function undoCell(step: VersionStep, { risks, plan }: ReleaseReview): string {
  if (step.commitOnly) return "none: the version runs already";
  const back =
    step.from === undefined ? "stopped and unlinked: nothing was there before" : `back to ${code(step.from)}`;
  const restored = step.restoresBackup ? ", backup restored" : "";
  const alone = `; alone after ${formatDuration(step.deadlineSeconds * 1_000)} without confirm`;
  const byHand = plan.rollbackPolicy === "manual" ? "; a failed batch waits for a person" : "";
  const torn = risks.some(({ kind, component }) => kind === "irreversible" && component === step.component);
  return `${torn ? "**not whole, see above**: " : ""}${back}${restored}${alone}${byHand}`;
}

function impactLines(steps: readonly VersionStep[], { plan, totalHosts, risks }: ReleaseReview): string[] {
  if (steps.length === 0) return [];
  const sizes = plan.steps.filter(({ kind }) => kind === "switch").map(({ work }) => work.length);
  const hosts = new Set(steps.flatMap((step) => step.hosts)).size;
  const named = (reason: string) => [
    ...new Set(risks.filter((risk) => risk.reason === reason).map((risk) => risk.component)),
  ];
  const drops = named("drops-requests");
  const stays = named("not-across-reboot");
  const irreversible = risks.filter(({ kind }) => kind === "irreversible").length;
  const bytes = totalBytes(steps);
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  return [
    "**Impact**",
    "",
    `- Hosts: ${formatCount(hosts)} of ${formatCount(Math.max(hosts, totalHosts))}; first ${formatCount(sizes[0] ?? 0)}, never more than ${formatCount(largest)} at once; ${plan.failureBudget === 0 ? "none" : formatCount(plan.failureBudget)} may fall silent`,
    `- Requests: ${drops.length === 0 ? "no step is known to drop any" : `dropped by ${drops.map((name) => code(name)).join(", ")}`}`,
    `- Irreversible: ${irreversible === 0 ? "nothing named" : `**${counted(irreversible, "item")}, above**`}`,
    ...(stays.length === 0
      ? []
      : [
          `- Reboot during the trial: leaves the new version of ${stays.map((name) => code(name)).join(", ")} in place`,
        ]),
    `- Bytes to send: ${bytes === undefined ? "not known yet" : formatBytes(bytes)}`,
  ];
}

/** Why the picture is as it is. */
function orderParts(order: readonly OrderEdge[], { rows }: Detail): string[] {
  if (order.length === 0) return [];
  return [`**Order**: ${orderLine(order, { limit: rows, name: (text) => code(text) })}`];
}

function trafficParts({ steps }: ReleaseReview["plan"]): string[] {
  const words = trafficWords(steps, (text) => code(text));
  return words === undefined ? [] : [`**Traffic**: ${words}`];
}

function restorePointParts({ restorePoint }: ReleaseReview["plan"]): string[] {
  if (restorePoint === undefined) return [];
  const names = restorePoint.components.map((name) => code(name)).join(", ");
  return [`**Saved together before anything switches**: ${names}, within ${formatDuration(restorePoint.withinMs)}`];
}

const heldTitles: readonly (readonly [string, readonly Held["reason"][], string])[] = [
  ["Drift", ["drifted"], "changed by hand; left alone, never overwritten silently"],
  ["Unreachable", ["unreachable"], "caught up when they answer"],
  ["Held back", ["held", "in-trial", "claimed", "quarantined"], "left alone until that is over"],
];

function heldParts(held: readonly Held[], detail: Detail): string[][] {
  return heldTitles.map(([title, reasons, meaning]) => {
    const mine = held.filter(({ reason }) => reasons.includes(reason));
    if (mine.length === 0) return [];
    const names = mine.map(({ host }) => host);
    const groups = [
      ...Map.groupBy(mine, ({ reason, component, evidence }) =>
        [reason, component ?? "", evidence].join("\0"),
      ).values(),
    ];
    const rows = groups.slice(0, detail.rows).flatMap((group) => {
      const [first] = group;
      if (first === undefined) return [];
      const list = hostList(
        group.map(({ host }) => host),
        detail.ranges,
      );
      const component = first.component === undefined ? "all" : code(first.component);
      return [[code(first.reason), list, component, code(first.evidence, detail.characters)]];
    });
    const evidence = table(["why", "hosts", "component", "evidence"], rows);
    const left = groups.length - rows.length;
    if (left > 0) evidence.push("", `${formatCount(left)} more pieces of evidence: \`cutover plan\` shows all.`);
    const count = new Set(names).size;
    return [
      `**${title}: ${counted(count, "host")}** (${meaning}): ${code(foldHosts(names, { ranges: detail.ranges }), 600)}`,
      "",
      ...(rows.length > 3 ? details(`Evidence of ${counted(count, "host")}`, evidence) : evidence),
    ];
  });
}

function whyLines(steps: readonly VersionStep[], detail: Detail): string[] {
  const lines = steps.flatMap(({ component, from, to, transfers, estimate }) => {
    const step = `${code(component)} ${from === undefined ? "none" : code(from)} → ${code(to)}`;
    const time = estimate === undefined ? [] : [`time: ${prose(estimate.basis, detail.characters)}`];
    return [...transfers.map(({ why }) => `bytes: ${prose(why, detail.characters)}`), ...time].map(
      (text) => `- ${step}, ${text}`,
    );
  });
  const shown = lines.slice(0, detail.rows);
  return lines.length > shown.length ? [...shown, `- … and ${formatCount(lines.length - shown.length)} more`] : shown;
}

function approvalLines({ approval, plan }: ReleaseReview): string[] {
  if (approval === "merge") return [`Plan ${code(plan.hash)}: merging is the approval.`];
  return [
    `**Approval by plan hash**: it runs only when the last paragraph of the message of the merge commit has this line:`,
    "",
    "```text",
    approvalTrailer(plan.hash),
    "```",
  ];
}

function hostList(names: readonly string[], ranges: number): string {
  const count = new Set(names).size;
  const list = code(foldHosts(names, { ranges }), 600);
  return count === 1 ? list : `${formatCount(count)}: ${list}`;
}
