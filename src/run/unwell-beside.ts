// One failure budget for all open runs of a release (P9): what a run knows of the others. Pure.
import type { Plan } from "../model/plan.ts";
import type { RunId } from "../model/run-event.ts";
import { leftInBudget, leftOut, type Unwell } from "./note-unwell.ts";

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

/** As the run itself counts: whom its budget let go, and who did not take a switch, or its confirmation, unless a person holds it. */
function countedIn({ plan, bad }: OpenBeside): string[] {
  if (bad.size === 0) return [];
  const moving = new Set(plan.steps.flatMap(({ id, kind }) => (kind === "switch" || kind === "confirm" ? id : [])));
  return [...bad].flatMap(([host, steps]) => {
    const isCounted = steps.has(leftInBudget) || (!steps.has(leftOut) && [...steps].some((step) => moving.has(step)));
    return isCounted ? host : [];
  });
}

function isEqual(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index]);
}
