// A plan for people: what changes first, then in which batches, the way back, and apart from it what is left alone. Pure.
import type { Held, Plan, PlannedChange, PlannedPath, PlannedTransfer } from "../model/plan.ts";
import type { RiskItem } from "../model/review.ts";
import { soaksOf } from "../model/soaks.ts";
import { unitOrderText } from "../model/unit-order.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import { orderLine } from "../status/order-words.ts";
import { switchWords } from "../status/switch-words.ts";
import { trafficWords } from "../status/traffic-words.ts";
import { editLines } from "./render-edits.ts";
import { riskLines } from "./render-risks.ts";
import { sliceLines } from "./render-slice.ts";
import { type Cell, tableLines } from "./table.ts";
import { type Line, type Style, styled } from "./text.ts";
import { counted, formatBytes, formatCount, formatDuration } from "./units.ts";

export interface PlanView {
  readonly plan: Plan;
  /** Hosts that the release is meant for; undefined when that is not known. */
  readonly totalHosts?: number | undefined;
  /** Of a slice: what has to come before, so that it cannot be run alone. */
  readonly missing?: readonly string[];
  /** What must be seen first. */
  readonly risks?: readonly RiskItem[];
}

/** In tables of changes and batches; what is left is counted. */
const shortList = { ranges: 8 };

export function renderPlan(view: PlanView): Line[] {
  const { plan } = view;
  return [
    planSummary(view),
    ...riskLines(view.risks ?? []),
    ...sliceLines({ slice: plan.slice, ...(view.missing === undefined ? {} : { missing: view.missing }) }),
    ...changeLines(plan.changes),
    ...pathLines(plan.paths ?? []),
    ...transferLines(plan.transfers ?? []),
    ...batchLines(plan),
    ...orderLines(plan),
    ...unitOrderLines(plan),
    ...trafficLines(plan),
    ...restorePointLines(plan),
    ...wayBackLines(plan),
    ...editLines(plan),
    ...heldLines(plan.held),
    [styled(`plan ${plan.hash}`, "faint")],
  ];
}

/** `shop: 3 of 4 hosts change, 2 components, 3 batches`. */
export function planSummary({ plan, totalHosts }: PlanView): Line {
  const hosts = hostsOf(plan.changes).length;
  const name = styled(`${plan.release}:`, "strong");
  const held = plan.held.length === 0 ? "" : `, ${counted(hostsOf(plan.held).length, "host")} left alone`;
  if (hosts === 0) {
    return plan.held.length === 0
      ? [name, " ", styled("in sync", "good"), ", nothing to do"]
      : [name, " ", styled("nothing can change", "warn"), held];
  }
  const of = totalHosts === undefined || totalHosts < hosts ? "" : ` of ${formatCount(totalHosts)}`;
  const noun = (totalHosts ?? hosts) === 1 ? "host changes" : "hosts change";
  const components = new Set(plan.changes.map(({ component }) => component)).size;
  const batches = plan.steps.filter(({ kind }) => kind === "switch").length;
  const switching = batches === 0 ? "nothing switches" : batches === 1 ? "1 batch" : `${formatCount(batches)} batches`;
  const counts = `${counted(components, "component")}, ${switching}`;
  return [name, ` ${formatCount(hosts)}${of} ${noun}, ${counts}`, styled(held, "warn")];
}

function changeLines(changes: readonly PlannedChange[]): Line[] {
  if (changes.length === 0) return [];
  const rows = groupBy(changes, ({ component, from, to, ...change }) =>
    [component, from, to, switchWords(change)].join("\0"),
  ).map((group): Cell[] => {
    const [{ component, from, to, ...change }] = group;
    const commitOnly = group.every((change) => change.from === change.to && change.fromTree === change.toTree);
    return [
      { text: component, style: "strong" },
      { text: `${from ?? "(none)"} → ${to}`, style: "accent" },
      { text: commitOnly ? "commit only" : switchWords(change) },
      { text: `${formatCount(hostsOf(group).length)}: ${foldHosts(hostsOf(group), shortList)}` },
    ];
  });
  // How it drains stands at the end, and is what a reader must not miss.
  return tableLines(["component", "from → to", "switch", "hosts"], rows, 64);
}

/** Rejected ways that a table has room for; `--json` has them all. */
const shownWays = 3;

/** Where the way to what is asked for leads over stepping stones, and why it is this one. */
function pathLines(paths: readonly PlannedPath[]): Line[] {
  if (paths.length === 0) return [];
  const rows = paths.map(({ component, from, to, via, hosts, bytesPerHost, why, rejected }): Cell[] => {
    const ways = rejected.slice(0, shownWays).map((each) => `${each.way}: ${each.why}`);
    const left = rejected.length - ways.length;
    return [
      { text: component, style: "strong" },
      { text: [from ?? "(none)", ...via, to].join(" → "), style: "accent" },
      { text: via[0] ?? "waits" },
      { text: bytesPerHost === undefined ? "" : formatBytes(bytesPerHost) },
      { text: `${formatCount(hosts.length)}: ${foldHosts(hosts, shortList)}` },
      { text: [why, ...ways, ...(left > 0 ? [`${left} more rejected`] : [])].join("; ") },
    ];
  });
  return [
    ...tableLines(["component", "whole way", "now", "bytes a host", "hosts", "why"], rows),
    ["  this plan leads to the stepping stones under `now`; the next one goes on when they are committed"],
  ];
}

/** What reaching each version costs on the wire, one row for all hosts that get the same. */
function transferLines(transfers: readonly PlannedTransfer[]): Line[] {
  if (transfers.length === 0) return [];
  const rows = transfers.map(({ component, from, to, hosts, path, bytesPerHost, why }): Cell[] => [
    { text: component, style: "strong" },
    { text: `${from ?? "(none)"} → ${to}`, style: "accent" },
    { text: path },
    { text: bytesPerHost === undefined ? "not made yet" : formatBytes(bytesPerHost) },
    { text: `${formatCount(hosts.length)}: ${foldHosts(hosts, shortList)}` },
    { text: why },
  ]);
  return tableLines(["component", "from → to", "path", "bytes a host", "hosts", "why"], rows);
}

function batchLines({ steps }: Plan): Line[] {
  const switches = steps.filter(({ kind }) => kind === "switch");
  if (switches.length === 0) return [];
  const soaks = soaksOf(steps);
  const shown = switches.length <= 12 ? switches : [...switches.slice(0, 6), ...switches.slice(-3)];
  const rows = shown.map((step): Cell[] => {
    const soak = soaks.get(step.batch) ?? 0;
    const hosts = step.work.map(({ host }) => host);
    const tasks = step.work.flatMap(({ groups }) => groups.flat());
    const components = [...new Set(tasks.map(({ component }) => component))].join(", ");
    return [
      { text: `batch ${step.batch}` },
      { text: soak === 0 ? components : `${components}, then ${formatDuration(soak * 1_000)} soak` },
      { text: `${formatCount(hosts.length)}: ${foldHosts(hosts, shortList)}` },
    ];
  });
  const lines = tableLines(["batch", "components", "hosts"], rows);
  const left = switches.length - shown.length;
  if (left > 0) lines.splice(7, 0, [`  … ${formatCount(left)} more batches, each after the one before …`]);
  return lines;
}

/** Why the batches are in this order. */
function orderLines({ order = [], tied = [] }: Plan): Line[] {
  const why: Line[] = order.length === 0 ? [] : [["  order: ", orderLine(order, { limit: 12 })]];
  if (tied.length === 0) return why;
  const words = `no host may stay behind with ${tied.join(", ")}, or versions would be further apart than is allowed`;
  return [...why, [`  together: ${words}`]];
}

function trafficLines({ steps }: Plan): Line[] {
  const words = trafficWords(steps);
  return words === undefined ? [] : [[`  traffic: ${words}`]];
}

/** What is saved together, and whether that is hard to keep. */
function restorePointLines({ restorePoint, steps }: Plan): Line[] {
  const step = steps.find(({ kind }) => kind === "restore-point");
  if (restorePoint === undefined || step === undefined) return [];
  const hosts = step.work.map(({ host }) => host);
  const limit = `within ${formatDuration(restorePoint.withinMs)}`;
  const text = `  restore point: ${restorePoint.components.join(", ")} saved together ${limit}, before anything switches;`;
  return [[text, ` ${formatCount(hosts.length)}: ${foldHosts(hosts, shortList)}`]];
}

/** Orders that only the hosts' units know, and where they say otherwise than the release (R28). */
function unitOrderLines({ unitOrder = [] }: Plan): Line[] {
  return unitOrder.map((finding) => [
    "  ",
    finding.kind === "respected" ? "units: " : styled("units: ", "warn"),
    `${unitOrderText(finding)}; on ${foldHosts(finding.hosts, shortList)}`,
  ]);
}

/** What P8 promises here, and where it does not hold. */
function wayBackLines({ changes, steps, rollbackPolicy, failureBudget }: Plan): Line[] {
  if (steps.every(({ kind }) => kind !== "switch")) return [];
  const moving = changes.filter(({ from, to, fromTree, toTree }) => from !== to || fromTree !== toTree);
  if (moving.length === 0) return [];
  const deadlines = groupBy(moving, ({ component, deadlineSeconds }) => `${component}\0${deadlineSeconds}`)
    .map(([{ component, deadlineSeconds }]) => `${component} ${formatDuration(deadlineSeconds * 1_000)}`)
    .join(", ");
  const policy = {
    auto: "a failed batch is undone",
    release: "one failed batch undoes the whole run",
    manual: "a failed batch stays as it is until a person decides",
  }[rollbackPolicy];
  const budget = failureBudget === 0 ? "no host may fail" : `${counted(failureBudget, "host")} may fail`;
  const lines: Line[] = [
    ["  way back: a host that nobody confirms goes back by itself within ", deadlines, `; ${policy}; ${budget}`],
  ];
  const notAfterReboot = hostsOf(moving.filter(({ revertsAfterReboot }) => !revertsAfterReboot));
  if (notAfterReboot.length > 0) {
    lines.push([
      "  ",
      styled("not across a reboot:", "warn"),
      ` ${foldHosts(notAfterReboot, shortList)}: a reboot during the trial leaves the new version in place there`,
    ]);
  }
  return lines;
}

const heldWords: Readonly<Record<Held["reason"], { readonly text: string; readonly style: Style }>> = {
  unreachable: { text: "unreachable", style: "bad" },
  drifted: { text: "drifted", style: "bad" },
  quarantined: { text: "quarantined", style: "bad" },
  "in-trial": { text: "in trial", style: "warn" },
  claimed: { text: "under way", style: "accent" },
  held: { text: "on hold", style: "warn" },
};

/** Hosts of which the same is known share a line, which names every one of them. */
function heldLines(held: readonly Held[]): Line[] {
  if (held.length === 0) return [];
  const groups = groupBy(held, ({ reason, component, evidence }) => [reason, component, evidence].join("\0"));
  const rows = groups.map((group): Cell[] => {
    const [{ reason, component, evidence }] = group;
    return [
      heldWords[reason],
      { text: foldHosts(hostsOf(group)) },
      { text: component ?? "" },
      { text: firstLine(evidence) },
    ];
  });
  return [[styled("left alone", "warn")], ...tableLines(["why", "host", "component", "evidence"], rows)];
}

function hostsOf(entries: readonly { readonly host: string }[]): string[] {
  return [...new Set(entries.map(({ host }) => host))];
}

/** Groups in order of their first member. */
export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): [T, ...T[]][] {
  const groups = new Map<string, [T, ...T[]]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups.values()];
}

/** A table has one line a row; the whole evidence is in `cutover status`. */
function firstLine(evidence: string): string {
  return evidence.split("\n", 1)[0]?.trimEnd() ?? "";
}
