// Whether the parts of a restore point belong together: of the versions that the plan starts from, and of one moment. What is
// not known is never a pass (R17). Pure.
import { canonicalJson, digestOf } from "../model/digest.ts";
import type { Plan, PlannedChange } from "../model/plan.ts";
import type {
  BackupPart,
  RestorePoint,
  RestorePointPart,
  RestorePointProblem,
  RestorePointTerms,
} from "../model/restore-point.ts";
import { type HostClock, movedMs } from "./compare-clocks.ts";
import { byHostThenComponent } from "./difference.ts";

/** One component on one host, what it said, and its clock before and after. */
export interface TakenPart {
  readonly host: string;
  readonly component: string;
  /** The version by whose contract it was taken: what runs, for a component that does not change. */
  readonly contract: string;
  readonly part: BackupPart;
  readonly before: HostClock;
  readonly after: HostClock;
}

export interface RestorePointCheck {
  readonly id: string;
  readonly terms: RestorePointTerms;
  readonly plan: Pick<Plan, "changes">;
  readonly parts: readonly TakenPart[];
}

export type RestorePointVerdict =
  | { readonly kind: "taken"; readonly point: RestorePoint }
  | { readonly kind: "torn"; readonly problems: readonly RestorePointProblem[] };

/** Two clocks may drift a little while parts are taken; more than that is a clock that nothing can be compared by. */
const driftMs = 20;

export function checkRestorePoint({ id, terms, plan, parts }: RestorePointCheck): RestorePointVerdict {
  const sorted = [...parts].sort(byHostThenComponent);
  const changes = new Map(plan.changes.map((change) => [`${change.host}/${change.component}`, change]));
  const problems = sorted.flatMap((taken) => [
    ...clockProblems(taken),
    ...(taken.part.point === id ? [] : [problem(taken, `is of another point, ${taken.part.point}`)]),
    ...versionProblems(taken, changes.get(`${taken.host}/${taken.component}`)),
  ]);
  if (problems.length > 0 || sorted.length === 0) return { kind: "torn", problems };
  const times = sorted.map(timesOf);
  const at = Math.min(...times.map(({ from }) => from));
  const unknown = sameHost(sorted) ? 0 : uncertaintyOf(sorted);
  const spreadMs = Math.round(Math.max(...times.map(({ to }) => to)) - at + unknown);
  if (spreadMs > terms.withinMs) return { kind: "torn", problems: lateParts(sorted, { at, unknown, terms }) };
  const placed = sorted.map((taken) => placePart(taken, at));
  const state = digestOf(canonicalJson(placed.map(({ host, component, tree, state }) => ({ host, component, tree, state })))); // biome-ignore format: one line
  return {
    kind: "taken",
    point: { id, at: Math.round(at), withinMs: terms.withinMs, spreadMs, state, parts: placed },
  };
}

function problem({ host, component }: Pick<TakenPart, "host" | "component">, text: string): RestorePointProblem {
  return { host, text: `${host}/${component} ${text}` };
}

function clockProblems(taken: TakenPart): RestorePointProblem[] {
  const { before, after, part } = taken;
  if (part.bootId !== before.bootId || part.bootId !== after.bootId)
    return [problem(taken, "was started anew meanwhile")];
  const moved = movedMs(before, after);
  return moved <= driftMs ? [] : [problem(taken, `has a clock that moved by ${moved} ms against ours meanwhile`)];
}

function versionProblems(taken: TakenPart, change: PlannedChange | undefined): RestorePointProblem[] {
  const { contract, part } = taken;
  const isStart =
    change === undefined ? part.version === contract : change.from === part.version && change.fromTree === part.tree;
  if (isStart) return [];
  const found = part.version ?? "nothing";
  const start = (change === undefined ? contract : change.from) ?? "nothing";
  const tree = found === start ? ", of other files" : "";
  return [problem(taken, `runs ${found}${tree}, and the plan starts from ${start}`)];
}

/** In our clock. */
function timesOf({ part, before }: TakenPart): { readonly from: number; readonly to: number } {
  return { from: part.fromCs * 10 + before.offsetMs, to: part.toCs * 10 + before.offsetMs };
}

/** Times of one host need no other clock. */
function sameHost(parts: readonly TakenPart[]): boolean {
  return parts.every(({ host }) => host === parts[0]?.host);
}

/** The two clocks that are known worst may both be off, each to its side. */
function uncertaintyOf(parts: readonly TakenPart[]): number {
  const byHost = new Map(parts.map(({ host, before }) => [host, before.uncertaintyMs]));
  const [first = 0, second = 0] = [...byHost.values()].sort((a, b) => b - a);
  return Math.ceil(first + second);
}

/** Whoever ended too late after the first beginning; where clocks are not known well enough for anybody to be in time, all. */
function lateParts(
  parts: readonly TakenPart[],
  { at, unknown, terms }: { readonly at: number; readonly unknown: number; readonly terms: RestorePointTerms },
): RestorePointProblem[] {
  const first = parts.find((taken) => timesOf(taken).from === at);
  const start = first === undefined ? "the point" : `${first.host}/${first.component}`;
  const known = unknown === 0 ? "" : `; clocks are known to ±${unknown} ms together`;
  return parts.flatMap((taken) => {
    const { from, to } = timesOf(taken);
    const over = Math.round(to - at + unknown - terms.withinMs);
    if (over <= 0) return [];
    const took = `began ${Math.round(from - at)} ms after ${start} and took ${Math.round(to - from)} ms`;
    return [problem(taken, `is ${over} ms too late for a point within ${terms.withinMs} ms: it ${took}${known}`)];
  });
}

function placePart(taken: TakenPart, at: number): RestorePointPart {
  const { host, component, part } = taken;
  const { version, tree, state, wallMs } = part;
  const { from, to } = timesOf(taken);
  return { host, component, version, tree, state, fromMs: Math.round(from - at), toMs: Math.round(to - at), wallMs };
}
