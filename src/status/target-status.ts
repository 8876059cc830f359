// One component on one host: what was asked, what the run did, and what the host was read back doing. Pure.
import { Version } from "../model/names.ts";
import type { Observation, ObservedComponent } from "../model/observation.ts";
import type { Held, Plan, PlannedChange } from "../model/plan.ts";
import type { Cut, Status, TargetStatus } from "../model/status.ts";
import type { TaskState } from "../model/task.ts";
import { clockText } from "./clock-text.ts";

export interface TaskFound {
  readonly state: TaskState;
  readonly reason: string;
  readonly evidence: string;
  /** When the host was heard saying so. */
  readonly at: number | undefined;
}

export interface TargetInput {
  readonly plan: Plan;
  readonly run: string | undefined;
  readonly task: (id: string) => TaskFound | undefined;
  /** What the run cut off, keyed by `host/component`. */
  readonly cuts?: ReadonlyMap<string, Cut> | undefined;
  readonly observations: ReadonlyMap<string, Observation>;
  readonly previous: Status | undefined;
  readonly now: number;
}

interface Target {
  readonly host: string;
  readonly component: string;
  /** Null: git asks for nothing here, and whatever runs is right. */
  readonly wanted: string | null;
}
type Verdict = Pick<TargetStatus, "outcome"> & { readonly detail?: string | undefined };

interface Indexed extends TargetInput {
  /** Keyed by `host/component`. */
  readonly before: ReadonlyMap<string, TargetStatus>;
  readonly changes: ReadonlyMap<string, PlannedChange>;
  /** Keyed by host. */
  readonly held: ReadonlyMap<string, readonly Held[]>;
}

/** Looks each target up in maps: a fleet has tens of thousands of them. */
export function targetStatuses(input: TargetInput): (target: Target) => TargetStatus {
  const placeOf = ({ host, component }: Omit<Target, "wanted">) => `${host}/${component}`;
  const indexed: Indexed = {
    ...input,
    before: new Map((input.previous?.targets ?? []).map((entry) => [placeOf(entry), entry])),
    changes: new Map(input.plan.changes.map((change) => [placeOf(change), change])),
    held: Map.groupBy(input.plan.held, ({ host }) => host),
  };
  return (target) => targetStatus(indexed, target);
}

function targetStatus(input: Indexed, target: Target): TargetStatus {
  const { host, component, wanted } = target;
  const observation = input.observations.get(host);
  const before = input.before.get(`${host}/${component}`);
  const change = input.changes.get(`${host}/${component}`);
  const base = { host, component, wanted, from: versionOf(change?.from) };
  if (observation?.kind !== "observed") {
    // The last known version and its time stay; the outcome says that nobody knows whether they still hold (P7).
    const known = { version: before?.version ?? null, since: before?.since ?? input.now };
    const message = observation?.message ?? "not asked";
    const lastKnown = known.version === null ? "" : `; ${known.version} is what it ran when it was seen last`;
    return { ...base, ...known, outcome: "unreachable", detail: detailOf(`${message.slice(0, 400)}${lastKnown}`) };
  }
  const seen = observation.components.find((entry) => entry.component === component);
  const version = versionOf(seen?.current);
  const moved = before === undefined || before.version !== version;
  const switched = change === undefined ? undefined : input.task(`${host}/${component}/switch`)?.at;
  const since = moved ? (switched ?? input.now) : before.since;
  const { outcome, detail } = verdictOf(input, { target, seen, change, before });
  // Until the next switch it is what happened to bring this version.
  const cut = input.cuts?.get(`${host}/${component}`) ?? (moved || switched !== undefined ? undefined : before.cut);
  return {
    ...base,
    version,
    since,
    outcome,
    ...(detail === undefined ? {} : { detail: detailOf(detail) }),
    ...(cut === undefined ? {} : { cut }),
  };
}

interface Seen {
  readonly target: Target;
  readonly seen: ObservedComponent | undefined;
  readonly change: PlannedChange | undefined;
  readonly before: TargetStatus | undefined;
}

function verdictOf(input: Indexed, { target, seen, change, before }: Seen): Verdict {
  const { host, component, wanted } = target;
  const strange = seen?.current !== undefined && versionOf(seen.current) === null;
  const where = strange ? `current is ${seen.current}: it points outside versions/` : undefined;
  const held = input.held.get(host)?.find((entry) => entry.component === undefined || entry.component === component);
  if (held) {
    const detail = where === undefined ? held.evidence : `${where}; ${held.evidence}`;
    const underWay = held.reason === "in-trial" || held.reason === "claimed";
    return { outcome: underWay ? "pending" : held.reason, detail };
  }
  if (strange) return { outcome: "drifted", detail: where };
  const verdict =
    change === undefined ? atRest(seen, wanted) : changed({ input, seen, change, wayBack: change.to !== wanted });
  const good = verdict.outcome === "in-sync" || verdict.outcome === "done";
  if (good && seen?.active === false) return { outcome: "failed", detail: "not running" };
  // Between two tries of the same plan, what the last one came to is still what there is to say.
  const goesOn = verdict.outcome === "pending" && input.run === undefined && change !== undefined;
  if (
    goesOn &&
    before &&
    isEnd(before.outcome) &&
    before.wanted === wanted &&
    before.version === versionOf(seen?.current)
  )
    return { outcome: before.outcome, detail: before.detail };
  return verdict;
}

function isEnd(outcome: TargetStatus["outcome"]): boolean {
  return outcome === "rolled-back" || outcome === "failed";
}

/** Nothing was to change here when it was planned. */
function atRest(seen: ObservedComponent | undefined, wanted: string | null): Verdict {
  if (wanted === null) return { outcome: "in-sync" };
  if (seen?.current !== wanted) return { outcome: "pending" };
  return (seen.committed === undefined ? undefined : unfinished(seen)) ?? { outcome: "in-sync" };
}

/** "Done" needs both: the host said so, and was read back running that very tree, committed (P10). */
function changed({
  input,
  seen,
  change,
  wayBack,
}: Pick<Seen, "seen"> & { input: TargetInput; change: PlannedChange; wayBack: boolean }): Verdict {
  const { host, component } = change;
  const commitOnly = change.from === change.to && change.fromTree === change.toTree;
  const task = input.task(`${host}/${component}/${commitOnly ? "commit" : "switch"}`);
  const there = seen?.current === change.to && seen.currentTree === change.toTree;
  const open = seen && unfinished(seen);
  const runs = `runs ${seen?.current ?? "nothing"}`;
  const settled = there && open === undefined;
  if (wayBack && settled) return { outcome: "rolled-back" };
  const isReported = task?.state === "undone" || task?.state === "failed";
  if (!isReported && wentBack(seen, { change, run: input.run }))
    return { outcome: "rolled-back", detail: wentBackText(change, seen?.trial?.reason) };
  switch (task?.state) {
    case "undone":
      return there && !commitOnly
        ? { outcome: "unknown", detail: `reported as undone, but it ${runs}` }
        : {
            outcome: "rolled-back",
            detail: whyBack(input.task(`${host}/${component}/health`)) ?? takenBackText(change, task.reason),
          };
    case "failed":
      return { outcome: "failed", detail: said(task) };
    case "unknown":
    case "running":
      return { outcome: "unknown" };
    case "done":
      if (settled) return { outcome: "done" };
      return there
        ? (open ?? { outcome: "unknown" })
        : { outcome: "unknown", detail: `reported as done, but it ${runs}, or another tree of it` };
    default:
      return settled ? { outcome: "in-sync" } : (there && open) || { outcome: "pending" };
  }
}

/** By its own word: the trial of this very run is over, and what ran before is there again, committed. */
function wentBack(
  seen: ObservedComponent | undefined,
  { change, run }: { readonly change: PlannedChange; readonly run: string | undefined },
): boolean {
  if (seen?.state !== "reverted" || seen.trial?.run !== run || seen.trial?.to !== change.to) return false;
  return seen.current === change.from && seen.currentTree === change.fromTree;
}

function wentBackText({ from, to }: PlannedChange, reason: string | undefined): string {
  const place = `it went back to ${from ?? "nothing"}`;
  if (reason === "deadline") return `${to} was not confirmed before its deadline; ${place} by itself`;
  return `${place} by itself, away from ${to}${reason === undefined ? "" : ` (${reason})`}`;
}

/** The evidence of an undo says how the process stood, which is of no use to who reads where a host is. */
function takenBackText({ from, to }: PlannedChange, reason: string): string {
  return `the run took ${to} back to ${from ?? "nothing"}${reason === "" ? "" : ` (${reason})`}`;
}

/** What its check found, where that failed: the undo of its switch says first how the process stood. */
function whyBack(health: TaskFound | undefined): string | undefined {
  return health?.state === "failed" ? said(health) : undefined;
}

function said({ reason, evidence }: TaskFound): string | undefined {
  return [reason, evidence].filter((text) => text !== "").join(": ") || undefined;
}

/** Running is not committed: a trial can still go back, and a failed commit leaves what a reboot may undo. */
function unfinished(seen: ObservedComponent): Verdict | undefined {
  const { state, current, currentTree, committed, committedTree, trial } = seen;
  if (state === "trial" || state === "confirmed" || state === "reverting") {
    const ends = state === "trial" ? trial?.endsAt : undefined;
    // Whoever reads this later has not heard of the host since. To the minute: hosts that say the same share a line.
    const minute = Math.ceil((ends ?? 0) / 60_000) * 60_000;
    const until =
      ends === undefined
        ? ""
        : `; unless it is confirmed it goes back by itself, by ${clockText(minute)} on its own clock`;
    return { outcome: "pending", detail: `${current} is there, but its state is ${state}, not committed${until}` };
  }
  const same = committed === current && (committedTree === undefined || committedTree === currentTree);
  return same
    ? undefined
    : { outcome: "pending", detail: `${current} is there, but ${committed ?? "nothing"} is committed` };
}

function versionOf(text: string | undefined): string | null {
  return text !== undefined && Version.safeParse(text).success ? text : null;
}

/** One line: a check says in its first what it found; the rest is in the quarantine's evidence and in the journal. */
function detailOf(text: string): string {
  return (text.split("\n", 1)[0] ?? "").trimEnd().slice(0, 500).toWellFormed();
}
