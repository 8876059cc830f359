// What the runs that are open mean for a release that comes up for planning: what of it is on its way already, and what keeps
// the rest from starting. A release that meets a claim waits as a whole: nobody reviewed half of it. Pure.
import { CutoverError } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { SwitchLimit } from "../model/fleet.ts";
import type { Plan } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import type { RunId } from "../model/run-event.ts";
import { type Conflict, claimsOf, conflictsBetween } from "../plan/claims.ts";
import { brokenLimits, type Labels } from "../plan/switch-limits.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import type { OpenRun } from "./run-pool.ts";

export type Holder = Pick<OpenRun, "run" | "plan" | "claims" | "since" | "unwell">;

export interface Blocked {
  readonly by: Holder;
  readonly conflict:
    | Conflict
    | { readonly kind: "budget"; readonly hosts: readonly string[]; readonly budget: number }
    | { readonly kind: "capacity"; readonly limit: SwitchLimit };
}

/** How many hosts of a group all runs together may have in a switch, and which hosts these are. */
export interface Capacity {
  readonly limits: readonly SwitchLimit[];
  readonly labelsOf: (host: string) => Labels;
}

export interface ClaimedTargets {
  /** Places where an open run of the release brings just what is wanted, with a sentence that says so, keyed by `host/component`. */
  readonly underWay: ReadonlyMap<string, string>;
  /** Places that are claimed for something else. */
  readonly blocked: readonly Blocked[];
}

export function claimedTargets({
  release,
  published,
  open,
}: {
  readonly release: DesiredRelease;
  /** Keyed by `component@version`. */
  readonly published: ReadonlyMap<string, Pick<PublishedVersion, "tree">>;
  readonly open: readonly Holder[];
}): ClaimedTargets {
  const underWay = new Map<string, string>();
  const blocked: Blocked[] = [];
  for (const by of open) {
    const changes = new Map(by.plan.changes.map((change) => [`${change.host}/${change.component}`, change]));
    for (const { name: component, targets } of release.components) {
      const others: string[] = [];
      for (const { host, version } of targets) {
        const change = changes.get(`${host}/${component}`);
        if (change === undefined) continue;
        // Where stepping stones lead there, the plans after this one go on (R16).
        const goal = change.further?.at(-1)?.version ?? change.to;
        const isWhole = goal !== change.to || change.toTree === published.get(`${component}@${version}`)?.tree;
        const same = goal === version && isWhole;
        if (same && by.plan.release === release.name) underWay.set(`${host}/${component}`, `run ${by.run} brings it`);
        else others.push(host);
      }
      if (others.length > 0) blocked.push({ by, conflict: { kind: "claimed", component, hosts: others } });
    }
  }
  return { underWay, blocked };
}

/** Why this plan cannot start beside the open runs; empty when it can. A way back knows no `capacity`: it does not wait for it. */
export function blockedBy(plan: Plan, open: readonly Holder[], capacity?: Capacity): Blocked[] {
  const wanted = claimsOf(plan);
  const blocked = open.flatMap((by): Blocked[] =>
    conflictsBetween(wanted, by.claims).map((conflict) => ({ by, conflict })),
  );
  for (const { limit, by } of capacity === undefined ? [] : brokenLimits({ plan, open, ...capacity }))
    blocked.push(...by.map((each) => ({ by: each, conflict: { kind: "capacity" as const, limit } })));
  // One budget for all runs of a release: past it nothing more of it switches (P9).
  const ofRelease = open.filter((by) => by.plan.release === plan.release);
  const hosts = unwellOf(ofRelease);
  const [by] = ofRelease.filter(({ unwell }) => unwell.size > 0);
  if (by !== undefined && hosts.length > plan.failureBudget)
    blocked.push({ by, conflict: { kind: "budget", hosts, budget: plan.failureBudget } });
  return blocked;
}

function unwellOf(open: readonly Holder[]): string[] {
  return [...new Set(open.flatMap(({ unwell }) => [...unwell]))].sort();
}

/** `shop on web1..web3 is held by run r… of release eu since 2026-11-21 03:15:00 UTC`, a line each. The same for the same runs. */
export function blockedText(blocked: readonly Blocked[]): string {
  const lines = blocked.slice(0, shownLines).map(blockedLine);
  const left = blocked.length - lines.length;
  return [...lines, ...(left > 0 ? [`and ${left} more`] : [])].join("; ");
}

const shownLines = 5;

function blockedLine({ by, conflict }: Blocked): string {
  const holder = `run ${by.run} of release ${by.plan.release}, since ${timeText(by.since)}`;
  switch (conflict.kind) {
    case "claimed":
      return `${conflict.component} on ${hostsText(conflict.hosts)} is claimed by ${holder}`;
    case "port":
      return `port ${conflict.port} on ${hostsText(conflict.hosts)} is claimed for ${conflict.component} by ${holder}`;
    case "related":
      if (conflict.component === conflict.other)
        return `${conflict.component} goes to further hosts once it has shown itself on those of ${holder}`;
      return `${conflict.component} must not move while ${conflict.other} does, which is claimed by ${holder}`;
    case "capacity":
      return `${limitText(conflict.limit)}, and ${holder} has its share of them`;
    case "budget":
      return `${hostsText(conflict.hosts)} failed or fell silent in ${holder}; the release's failure budget is ${conflict.budget}`;
  }
}

/** A plan that a limit never lets start, whatever else is open: its batches are too large. */
export function refuseLargeBatches(plan: Plan, { limits, labelsOf }: Capacity): void {
  const [first] = brokenLimits({ plan, limits, labelsOf, open: [] });
  if (first === undefined) return;
  throw new CutoverError({
    code: "batch-over-limit",
    message: `${plan.release} would switch ${first.wanted} hosts at a time where ${limitText(first.limit)}`,
    impact: "Nothing was changed on any host",
    remedy: `set batchSize and canaries of its Policy to at most ${first.limit.hosts}, or raise the limit in the Fleet; then push`,
  });
}

function limitText({ match, hosts }: SwitchLimit): string {
  const labels = Object.entries(match).map(([name, value]) => `${name}=${value}`);
  return `at most ${hosts} of ${labels.join(",")} may be in a switch at a time`;
}

export function runsOf(blocked: readonly Blocked[]): RunId[] {
  return [...new Set(blocked.map(({ by }) => by.run))];
}

function hostsText(hosts: readonly string[]): string {
  return foldHosts(hosts, { ranges: 8 });
}

function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
