// One failure budget for all open runs of a release (P9): what a run knows of the others. Pure.
import type { Plan, Step } from "../model/plan.ts";
import type { RunId } from "../model/run-event.ts";
import { isWayBack, leftInBudget, leftOut, type Unwell } from "./note-unwell.ts";

export interface UnwellBeside {
  /** Sorted, as are the runs. */
  readonly hosts: readonly string[];
  readonly runs: readonly RunId[];
}

export const noneBeside: UnwellBeside = { hosts: [], runs: [] };

export interface OpenBeside {
  readonly run: RunId;
  readonly plan: Plan;
  readonly bad: Unwell;
}

/** What `run` is told of the other open runs of its release. */
export function unwellBeside(
  { run, plan }: Pick<OpenBeside, "run" | "plan">,
  open: Iterable<OpenBeside>,
): UnwellBeside {
  const hosts = new Set<string>();
  const runs: RunId[] = [];
  for (const other of open) {
    if (other.run === run || other.plan.release !== plan.release) continue;
    const bad = countedIn(other);
    for (const host of bad) hosts.add(host);
    if (bad.length > 0) runs.push(other.run);
  }
  return hosts.size === 0 ? noneBeside : { hosts: [...hosts].sort(), runs: runs.sort() };
}

/** The run as it stands with what it is told now; itself where that is nothing new. */
export function hearBeside<State extends { readonly beside: UnwellBeside }>(state: State, told = state.beside): State {
  const { beside } = state;
  // guard P9: hosts of other runs of the release count from the moment on at which they are not well.
  const isKnown = told === beside || (isEqual(told.hosts, beside.hosts) && isEqual(told.runs, beside.runs));
  return isKnown ? state : { ...state, beside: told };
}

/**
 * Whom its budget let go, and who did not take a switch, its confirmation, its commit or its way back, unless a person holds it. A run that
 * waits for such a host switches nothing more by itself; others of its release would.
 */
function countedIn({ plan, bad }: OpenBeside): string[] {
  if (bad.size === 0) return [];
  const tried = new Set(plan.steps.flatMap(({ id, kind }) => (movingKinds.includes(kind) ? id : [])));
  // A way back has balancers as well.
  const moved = new Set(
    plan.steps.flatMap(({ kind, work }) => (kind === "switch" ? work.map(({ host }) => host) : [])),
  );
  return [...bad].flatMap(([host, steps]) => {
    const isMoved = (step: string) => tried.has(step) || (isWayBack(step) && moved.has(host));
    const isCounted = steps.has(leftInBudget) || (!steps.has(leftOut) && [...steps].some(isMoved));
    return isCounted ? host : [];
  });
}

const movingKinds: readonly Step["kind"][] = ["switch", "confirm", "commit"];

/** What a run waits for that has no failure budget left, in words. */
export function whySpent({
  plan,
  beside: { hosts, runs },
  leftInBudget,
}: {
  readonly plan: Pick<Plan, "failureBudget"> | undefined;
  readonly beside: UnwellBeside;
  readonly leftInBudget: Iterable<string>;
}): string {
  const own = [...leftInBudget].sort();
  const also = own.length === 0 ? "" : `, and ${named(own)} left out of this one`;
  return `${named(hosts)} not well in ${runs.join(", ")} of the same release${also}; its failure budget is ${plan?.failureBudget}, and no further host switches before that is over`;
}

const mostNamed = 5;

function named(hosts: readonly string[]): string {
  const more = hosts.length > mostNamed ? ` and ${hosts.length - mostNamed} more` : "";
  return `${hosts.slice(0, mostNamed).join(", ")}${more} ${hosts.length === 1 ? "is" : "are"}`;
}

function isEqual(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index]);
}
