// Tasks that run once in a release, on one host, while all others wait: a step of its own each. Pure.
import type { PlannedChange, Step } from "../model/plan.ts";
import type { ProcedurePhase } from "../model/procedure.ts";
import type { TaskPlace } from "../model/task.ts";
import { compareText, type DifferenceInput, publishedVersion } from "./difference.ts";
import { hookTask, tasksAt } from "./host-tasks.ts";
import type { PhasedChanges } from "./phases-of-changes.ts";

interface OncePlace {
  readonly phase: ProcedurePhase;
  readonly at: TaskPlace;
  /** Changes that the tasks are for. */
  readonly changes: readonly PlannedChange[];
}

/** Steps for one place of the plan. */
export type OnceSteps = (place: OncePlace) => Step[];

/**
 * The host is elected: the first by name among those that change. A version that another host of the release has committed
 * already had its turn: whoever catches up later does not repeat it. Where several phases move a version, what comes before
 * the switch is in the first of them, and what comes after it in the last. Ask in the order of the plan: ids count.
 */
export function onceSteps(
  { published, observations }: Pick<DifferenceInput, "published" | "observations">,
  phased: readonly PhasedChanges[],
): OnceSteps {
  // Most releases have none, and large fleets take long to look through.
  if (![...published.values()].some(({ tasks = [] }) => tasks.some(({ scope }) => scope === "once"))) return () => [];
  const turns = turnsOf(phased);
  const hadItsTurn = committedTrees(observations);
  let made = 0;
  return ({ phase, at, changes }) => {
    const keys = new Set(changes.map(({ component, to }) => `${component}@${to}`));
    return [...keys].sort(compareText).flatMap((key): Step[] => {
      const turn = turns.get(key);
      if (turn === undefined || hadItsTurn.has(`${turn.elected.component}@${turn.elected.toTree}`)) return [];
      if ((at === "before-switch" && turn.first !== phase) || (at === "after-switch" && turn.last !== phase)) return [];
      const { host, component, to } = turn.elected;
      return tasksAt(publishedVersion(published, component, to), { at, scope: "once" }).map((task) => ({
        id: `once.${++made}`,
        kind: "task",
        phase: phase.name,
        batch: 0,
        soakSeconds: 0,
        work: [{ host, groups: [[hookTask(turn.elected, task)]] }],
      }));
    });
  };
}

interface Turn {
  readonly elected: PlannedChange;
  readonly first: ProcedurePhase;
  readonly last: ProcedurePhase;
}

/** Keyed by `component@version`. */
function turnsOf(phased: readonly PhasedChanges[]): Map<string, Turn> {
  const turns = new Map<string, Turn>();
  for (const { phase, changes } of phased) {
    for (const change of changes) {
      const key = `${change.component}@${change.to}`;
      const { elected, first } = turns.get(key) ?? { elected: change, first: phase };
      turns.set(key, { elected: change.host < elected.host ? change : elected, first, last: phase });
    }
  }
  return turns;
}

function committedTrees(observations: DifferenceInput["observations"]): Set<string> {
  const trees = new Set<string>();
  for (const observation of observations.values()) {
    if (observation.kind !== "observed") continue;
    for (const { component, committedTree } of observation.components)
      if (committedTree !== undefined) trees.add(`${component}@${committedTree}`);
  }
  return trees;
}
