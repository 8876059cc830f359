// A plan whose runs fail without showing any version to be bad is not tried at every poll for ever: the pauses between its
// tries grow, until the plan is another one or an operator asks for a try. Derived from the journal's runs alone.
import { canonicalJson, digestOf } from "../model/digest.ts";
import type { Plan } from "../model/plan.ts";
import type { RunId, RunOutcome } from "../model/run-event.ts";
import type { Controller } from "./controller.ts";
import { type ControllerMemory, recall } from "./controller-memory.ts";

export interface BackOff {
  readonly release: string;
  readonly planHash: string;
  readonly components: readonly string[];
  /** What the plan brings, as `component@version`. */
  readonly versions: readonly string[];
  /** The last try. */
  readonly run: RunId;
  readonly outcome: RunOutcome;
  readonly reason: string;
  readonly tries: number;
  /** When the last try ended. */
  readonly at: number;
  readonly nextTryAt: number;
}

/** Whether the first retry comes with the next pass (an operator watches) or after the first pause (`serve`). */
export type FirstRetry = "at-once" | "after-a-pause";

const pauseMinutes = [1, 5, 15, 60];
/** As far back as tries are counted. */
const newestRuns = 50;

type FailedRun = Omit<BackOff, "tries" | "nextTryAt"> & {
  /** What it set out to move: a plan of the same hash may move less, when a host is held for example. */
  readonly moves: string;
};

/** Tries of this very plan that failed since the last good run, and since an operator asked for one; undefined when none did. */
export async function backOffOf(
  controller: Pick<Controller, "journal" | "settings">,
  { plan, firstRetry }: { plan: Plan; firstRetry: FirstRetry },
): Promise<BackOff | undefined> {
  const moves = movesOf(plan);
  const found = (await failedRuns(controller, plan.release)).filter((run) => run.moves === moves);
  return fromRuns(found, firstRetry);
}

/** Of every release whose newest run failed. */
export async function allBackOffs(
  controller: Pick<Controller, "journal" | "settings">,
  firstRetry: FirstRetry,
): Promise<BackOff[]> {
  const runs = await failedRuns(controller);
  const releases = [...new Set(runs.map(({ release }) => release))];
  return releases.flatMap((release) => {
    const [newest, ...older] = runs.filter((run) => run.release === release);
    if (newest === undefined) return [];
    return fromRuns([newest, ...older.filter(({ moves }) => moves === newest.moves)], firstRetry) ?? [];
  });
}

function fromRuns(runs: readonly FailedRun[], firstRetry: FirstRetry): BackOff | undefined {
  const [newest] = runs;
  if (newest === undefined) return undefined;
  const { moves: _, ...run } = newest;
  return { ...run, tries: runs.length, nextTryAt: newest.at + pauseMs(runs.length, firstRetry) };
}

/** Exported for its test: 1, 5, 15, 60, 60 … minutes. */
export function pauseMs(tries: number, firstRetry: FirstRetry): number {
  if (tries === 1 && firstRetry === "at-once") return 0;
  return (pauseMinutes[Math.min(tries, pauseMinutes.length) - 1] ?? 0) * 60_000;
}

/**
 * Newest first; of a release, those after its last good run. A run that quarantined something is held by that instead, and so is one
 * that brings what somebody took back since: it is not tried again.
 */
async function failedRuns(
  controller: Pick<Controller, "journal" | "settings">,
  release?: string,
): Promise<FailedRun[]> {
  const memory = await recall(controller);
  const over = new Set<string>();
  const found: FailedRun[] = [];
  for (const stream of (await controller.journal.streams("run/")).slice(-newestRuns).reverse()) {
    const events = await controller.journal.read(stream, ["run-planned", "run-ended", "quarantined"]);
    const [planned] = events;
    if (planned?.kind !== "run-planned" || planned.wayBackOf !== undefined) continue;
    const { plan } = planned;
    if ((release !== undefined && plan.release !== release) || over.has(plan.release)) continue;
    const end = events.findLast((event) => event.kind === "run-ended");
    if (end?.kind !== "run-ended" || events.some(({ kind }) => kind === "quarantined")) continue;
    if (plan.changes.some(({ component, toTree }) => memory.quarantined.has(`${component}@${toTree}`))) continue;
    const components = [...new Set(plan.changes.map(({ component }) => component))];
    const versions = [...new Set(plan.changes.map(({ component, to }) => `${component}@${to}`))];
    const { outcome, reason, at } = end;
    if (outcome === "done" || wasAskedAgain(memory, [...components, ...versions], at)) over.add(plan.release);
    else
      found.push({
        release: plan.release,
        planHash: plan.hash,
        moves: movesOf(plan),
        components,
        versions,
        run: stream.slice("run/".length),
        outcome,
        reason,
        at,
      });
    if (release !== undefined && over.has(release)) break;
  }
  return found;
}

function movesOf({ hash, changes }: Plan): string {
  return digestOf(
    canonicalJson([hash, ...changes.map(({ host, component, from }) => [host, component, from ?? null])]),
  );
}

function wasAskedAgain({ retries }: ControllerMemory, keys: readonly string[], at: number): boolean {
  return ["*", ...keys].some((key) => (retries.get(key) ?? -1) >= at);
}
