// Where everything stands, for people: each release with its state and reason, each component with hosts folded. Pure.
import type { Status, TargetStatus } from "../model/status.ts";
import { cutText } from "../status/cut-text.ts";
import { foldHosts, foldHostsInText } from "../status/fold-hosts.ts";
import { type CurrentState, currentState, type OpenRunView } from "./current-state.ts";
import { type BackOffView, backOffLines } from "./render-back-off.ts";
import { evidenceLines } from "./render-error.ts";
import { type GateView, gateLines } from "./render-gate.ts";
import { type GoneView, goneLine } from "./render-gone.ts";
import { nextText } from "./render-open-run.ts";
import { groupBy } from "./render-plan.ts";
import { type Cell, tableLines } from "./table.ts";
import { type Line, type Span, type Style, styled } from "./text.ts";
import { counted, formatClock, formatCount, formatDuration } from "./units.ts";

export interface QuarantineView {
  readonly component: string;
  readonly version: string;
  readonly reason: string;
  readonly evidence: string;
  readonly at: number;
}

export interface HoldView {
  /** Undefined holds the whole fleet. */
  readonly host: string | undefined;
  readonly reason: string;
}

export interface LastRunView {
  readonly run: string;
  readonly release: string;
  /** Undefined while it is open. */
  readonly outcome: string | undefined;
  readonly reason: string;
  readonly startedAt: number;
  readonly at: number;
  readonly refusedPatches?: readonly RefusedPatchView[];
}

export interface RefusedPatchView {
  readonly host: string;
  readonly component: string;
  readonly version: string;
  readonly reason: string;
  readonly evidence: string;
}

export interface RefusedView {
  readonly commit: string;
  readonly code: string;
  readonly message: string;
  readonly evidence: string;
  readonly at: number;
  readonly inForce: string | undefined;
}

export interface StatusView {
  readonly releases: readonly Status[];
  readonly gone?: readonly GoneView[];
  readonly quarantined: readonly QuarantineView[];
  readonly holds: readonly HoldView[];
  readonly lastRun: LastRunView | undefined;
  readonly openRuns?: readonly OpenRunView[];
  readonly refused: RefusedView | undefined;
  readonly backOffs: readonly BackOffView[];
  readonly gates?: readonly GateView[];
}

export function renderStatus(view: StatusView): Line[] {
  const { releases, gone = [], quarantined, holds, lastRun, refused, backOffs, gates = [], openRuns = [] } = view;
  if (
    refused === undefined &&
    releases.length + gone.length === 0 &&
    lastRun === undefined &&
    holds.length === 0 &&
    quarantined.length === 0
  ) {
    return [["no pass has ended yet, so nothing is known"], [styled("next:", "accent"), " cutover reconcile --once"]];
  }
  return [
    ...(refused === undefined ? [] : refusedLines(refused)),
    ...releases.flatMap((status, index) => [
      ...(index === 0 ? [] : [[]]),
      ...releaseLines(status, currentState(status, view)),
      ...backOffs.filter(({ release }) => release === status.release).flatMap(backOffLines),
    ]),
    ...gone.map(goneLine),
    ...quarantined.flatMap((entry) =>
      isLeftBehind(entry, { releases, gone }) ? [leftBehindLine(entry)] : quarantineLines(entry),
    ),
    ...holdLines(holds),
    ...gates.flatMap(gateLines),
    ...openRuns.flatMap((open) => [
      openRunLine(open),
      // No status of its release says it above.
      ...(releases.some(({ release }) => release === open.release) || open.trouble.reason === "GateClosed"
        ? []
        : [nextOfRun(open.trouble)]),
    ]),
    ...(lastRun === undefined ? [] : [lastRunLine(lastRun, releases), ...refusedPatchLines(lastRun)]),
  ];
}

/** The newest commit is not what runs, and why: whoever pushed it looks here. */
function refusedLines({ commit, code, message, evidence, at, inForce }: RefusedView): Line[] {
  const stays = inForce === undefined ? "no commit is in force" : `commit ${inForce.slice(0, 12)} stays in force`;
  const next = code.startsWith("documents-")
    ? "cutover validate, then commit and push the correction"
    : `git show --show-signature ${commit.slice(0, 12)}, then push a commit that is accepted`;
  return [
    [
      styled(`commit ${commit.slice(0, 12)} refused`, "bad"),
      ` (${code}) since ${formatClock(at)}: ${message}; ${stays}`,
    ],
    ...(evidence.trim() === "" ? [] : evidenceLines(evidence, 2, 8)),
    [styled("next:", "accent"), ` ${next}`],
  ];
}

function releaseLines(status: Status, current: CurrentState): Line[] {
  const { type, status: holds, reason, message } = current;
  const state = holds === "True" ? type : holds === "Unknown" ? "Unknown" : `not ${type}`;
  const style: Style = state === "Ready" ? "good" : state === "Reconciling" ? "accent" : "bad";
  return [
    [
      styled(`${status.release}: `, "strong"),
      styled(state, style),
      ` (${reason})`,
      message === "" ? "" : `: ${message}`,
    ],
    ...targetLines(status.targets),
    ...restorePointLines(status),
    ...nextLines(status, current),
    [styled(`  commit ${status.commit.slice(0, 12)}, as of ${formatClock(status.at)}`, "faint")],
  ];
}

function restorePointLines({ restorePoint }: Status): Line[] {
  if (restorePoint === undefined) return [];
  const { id, at, parts, spreadMs } = restorePoint;
  const text = `  restore point ${id}: ${counted(parts, "part")} within ${formatDuration(spreadMs)}, ${formatClock(at)}`;
  return [[styled(text, "faint")]];
}

/** The command for the first thing that is wrong, where nothing below says it. */
function nextLines({ targets, run, quarantined }: Status, current: CurrentState): Line[] {
  const { type, status, reason, next, goesOnByItself } = current;
  const commands: Readonly<Record<string, readonly [TargetStatus["outcome"], string]>> = {
    NotRunning: ["failed", "cutover host check"],
    Failed: ["failed", "cutover host check"],
    Unknown: ["unknown", "cutover host check"],
    Unreachable: ["unreachable", "cutover host check"],
    HostUnknown: ["unreachable", "cutover host check"],
    Drifted: ["drifted", "cutover host check"],
  };
  if (type === "Ready" && status === "True") return [];
  // Whether somebody drives it on just now the journal does not say; gates stand further down.
  if (next !== undefined && reason !== "GateClosed") return [nextOfRun({ next, goesOnByItself })];
  const [outcome, command] = commands[reason] ?? [];
  const host = targets.find((target) => target.outcome === outcome)?.host;
  if (command !== undefined) return [[styled("next:", "accent"), ` ${command}${host === undefined ? "" : ` ${host}`}`]];
  if (reason === "DecisionNeeded") return [[styled("next:", "accent"), ` cutover task list ${run ?? ""} --open`]];
  // These say it further down, each with its own evidence.
  if (reason === "RolledBack" && quarantined.length > 0) return [];
  if (reason === "RolledBack" && run !== null) return [[styled("next:", "accent"), ` cutover task list ${run}`]];
  if (["Quarantined", "Held", "backing-off", "RunOpen", "GateClosed"].includes(reason)) return [];
  // `plan` shows an error of the release whole, with its remedy.
  const pass = reason === "Pending" || reason === "Outdated";
  return [[styled("next:", "accent"), pass ? " cutover reconcile --once" : " cutover plan"]];
}

function nextOfRun(run: Parameters<typeof nextText>[0]): Line {
  return [styled("next:", "accent"), ` ${nextText(run)}`];
}

const isSettled = ({ outcome }: TargetStatus): boolean => outcome === "in-sync" || outcome === "done";

/** One row for all hosts that share component, versions and outcome. */
function targetLines(targets: readonly TargetStatus[]): Line[] {
  if (targets.length === 0) return [];
  const groups = groupBy(targets, (target) => {
    const { component, version, wanted, outcome, detail, cut } = target;
    return JSON.stringify([component, version, cutText(cut), ...(isSettled(target) ? [] : [wanted, outcome, detail])]);
  });
  const rows = groups.map((group): Cell[] => {
    const [{ component, version, wanted, outcome, detail, cut: lost }] = group;
    const cut = lost === undefined ? "" : `; ${cutText(lost)}`;
    const hosts = group.map(({ host }) => host);
    const settled = isSettled(group[0]);
    const missed = !settled && wanted !== null && wanted !== version ? `, git asks for ${wanted}` : "";
    const since = Math.max(...group.map((target) => target.since));
    const known = version !== null && since > 0;
    return [
      { text: component, style: "strong" },
      { text: version ?? (outcome === "unknown" || outcome === "unreachable" ? "unknown" : "none") },
      { text: settled ? "in sync" : outcome, style: settled ? "good" : outcome === "pending" ? "accent" : "bad" },
      { text: known ? formatClock(since) : "" },
      {
        text: `${formatCount(hosts.length)}: ${foldHosts(hosts, { ranges: 8 })}${missed}${cut}${detail ? `: ${detail}` : ""}`,
      },
    ];
  });
  return tableLines(["component", "version", "state", "since", "hosts"], rows);
}

/** No release asks for it any more, so it is in nobody's way; what a quarantine says stays true, and so does the quarantine. */
function isLeftBehind(
  { component, version }: QuarantineView,
  { releases, gone }: { readonly releases: readonly Status[]; readonly gone: readonly GoneView[] },
): boolean {
  const targets = releases.flatMap((status) => status.targets.filter((target) => target.component === component));
  const isAsked = (target: TargetStatus) => target.wanted === version && !isSettled(target);
  const isKnown = targets.length > 0 || gone.some(({ left }) => left.some((each) => each.component === component));
  return isKnown && !targets.some(isAsked);
}

function leftBehindLine({ component, version, reason, at }: QuarantineView): Line {
  const text = `quarantined ${component} ${version} since ${formatClock(at)}: ${reason}; nothing asks for it any more`;
  return [styled(text, "faint")];
}

function quarantineLines({ component, version, reason, evidence, at }: QuarantineView): Line[] {
  return [
    [styled("quarantined", "bad"), ` ${component} ${version} since ${formatClock(at)}: ${reason}`],
    ...(evidence.trim() === "" ? [] : evidenceLines(evidence, 2, 8)),
    [
      styled("next:", "accent"),
      ` release a version with another tree, or, where its contract or its surroundings were to blame: cutover retry ${component} --reason '…'`,
    ],
  ];
}

function holdLines(holds: readonly HoldView[]): Line[] {
  return groupBy(holds, ({ reason }) => reason).map((group): Line => {
    const hosts = group.flatMap(({ host }) => host ?? []);
    const names = group.some(({ host }) => host === undefined) ? "the whole fleet" : foldHosts(hosts);
    const how = group.some(({ host }) => host === undefined) ? "--all" : (hosts[0] ?? "");
    return [styled("on hold", "warn"), ` ${names}: ${group[0].reason}; cutover resume ${how} --reason '…'`];
  });
}

const shownClaims = 6;

/** Who holds what since when: nothing else of that moves meanwhile. */
function openRunLine({ run, release, startedAt, claims }: OpenRunView): Line {
  const byHosts = groupBy(claims, ({ hosts }) => hosts.join(" "));
  const words = byHosts.slice(0, shownClaims).map((group) => {
    const versions = group.map(({ component, to }) => `${component} ${to}`);
    const last = versions.pop() ?? "";
    const list = versions.length === 0 ? last : `${versions.join(", ")} and ${last}`;
    return `${list} on ${foldHosts(group[0].hosts, { ranges: 8 })}`;
  });
  const left = byHosts.length > shownClaims ? `; and ${byHosts.length - shownClaims} more` : "";
  return [
    styled("open run", "accent"),
    ` ${run} of ${release} since ${formatClock(startedAt)}: ${words.join("; ")}${left}`,
  ];
}

/** The way there was longer, and a damaged version may be needed to go back to: one entry for all hosts that said the same. */
function refusedPatchLines({ refusedPatches = [] }: LastRunView): Line[] {
  return groupBy(refusedPatches, ({ host: _, ...said }) => JSON.stringify(said)).flatMap((group): Line[] => {
    const [{ host, component, version, reason, evidence }] = group;
    const names = foldHosts(
      group.map((each) => each.host),
      { ranges: 8 },
    );
    const text = ` on ${names}: ${component} ${version}: ${reason}; the full artifact was sent instead`;
    return [
      [styled("patch refused", "warn"), text],
      ...(evidence.trim() === "" ? [] : evidenceLines(evidence, 2, 4)),
      ...(reason === "base-damaged" ? [[styled("next:", "accent"), ` cutover host check ${host}`]] : []),
    ];
  });
}

function lastRunLine({ run, release, outcome, reason, startedAt, at }: LastRunView, releases: readonly Status[]): Line {
  const hosts = new Set(releases.flatMap(({ targets }) => targets.map(({ host }) => host)));
  const spent = formatDuration(at - startedAt);
  const end: Span =
    outcome === undefined ? styled("open", "accent") : styled(outcome, outcome === "done" ? "good" : "bad");
  const why = reason === "" || outcome === "done" ? "" : `: ${foldHostsInText(reason, hosts)}`;
  return [`last run ${run} of ${release}: `, end, ` after ${spent}, ${formatClock(at)}${why}`];
}
