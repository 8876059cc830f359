// Who of a batch may have traffic again, and when: with all of it, or, while a person decides about the others, those that are on
// their new version for good. Pure.
import type { Step } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import { targetOf } from "../plan/balancer-steps.ts";
import type { Effect } from "./effect.ts";
import { placeOf, type RunState, stepsOf, taskKey } from "./run-state.ts";

/**
 * A step of balancers without the hosts that it is not for any more: those that the run goes on without, and, where they are to
 * have traffic again, those whose switch or way back did not end well, or which are not confirmed. Any other step is as it was.
 */
export function inTraffic(state: RunState, step: Step): Step {
  if (step.traffic === undefined) return step;
  const before =
    step.traffic === "back"
      ? stepsOf(state).find(({ kind, batch }) => kind === "switch" && batch === step.batch)
      : undefined;
  const moved = new Set(before?.work.map(({ host }) => host));
  const confirm = stepsOf(state).find(({ kind, batch }) => kind === "confirm" && batch === step.batch);
  const isDone = (of: Step, host: string) => state.hosts.get(placeOf(of.id, host)) === "done";
  const isGood = (task: Task) => {
    const target = targetOf(task) ?? "";
    if (state.leftOut.has(target)) return false;
    if (before === undefined || !moved.has(target)) return true;
    // A host that is bad, that may go back by itself, or of which nobody knows, gets no traffic (P9). No guard of the simulator: its worlds have no balancers.
    return isDone(before, target) && (confirm === undefined || isDone(confirm, target));
  };
  const work = step.work.map(({ host, groups }) => ({
    host,
    groups: groups.map((group) => group.filter(isGood)).filter((group) => group.length > 0),
  }));
  return { ...step, work };
}

/** The plan's step that puts the hosts of a batch back into traffic after their confirmation. */
function backAfter(state: RunState, { kind, batch }: Step): Step | undefined {
  if (state.rollback !== undefined || (kind !== "switch" && kind !== "confirm")) return undefined;
  return stepsOf(state).find((step) => step.traffic === "back" && step.batch === batch);
}

/** Whether the step of that id is the one with which hosts of the batch come back while `here` waits for a person. */
export function isBackOf(state: RunState, here: Step, id: string): boolean {
  return backAfter(state, here)?.id === id;
}

/**
 * While a switch or its confirmation waits for a person: hosts of the batch that are confirmed come back into traffic. Undefined when
 * all that can have come, or a balancer did not do it: then its step says so once the run comes there. The others stay out:
 * one on its old version would have to leave again before its switch is tried again.
 */
export function backForHealthy(state: RunState, step: Step): Effect | undefined {
  const planned = backAfter(state, step);
  if (planned === undefined) return undefined;
  const back = inTraffic(state, planned);
  const again = reopenBack(state, back);
  const open = back.work
    .filter(({ host, groups }) => groups.length > 0 && !state.hosts.has(placeOf(back.id, host)))
    .map(({ host }) => host);
  if (again === undefined && open.length === 0) return undefined;
  if (!state.startedSteps.has(back.id)) return { kind: "start-step", step: back };
  return again ?? { kind: "run-step", step: back, hosts: open };
}

/** Balancers that put a part of the batch back while the rest was not well go on with those that are well since. */
export function reopenBack(state: RunState, step: Step): Effect | undefined {
  if (step.traffic !== "back" || state.rollback !== undefined) return undefined;
  const turns = step.work.flatMap(({ host, groups }): Extract<EventBody, { kind: "host-reopened" }>[] => {
    const place = placeOf(step.id, host);
    if (state.hosts.get(place) !== "done") return [];
    const isOut = ({ id }: Task) => state.tasks.get(id)?.state === "done";
    const tasks = groups.flat().filter(isOut).map(taskKey);
    const turn = (state.turns.get(place)?.number ?? 0) + 1;
    const reason = "well since the others came back into traffic";
    return tasks.length === 0 ? [] : [{ kind: "host-reopened", step: step.id, host, turn, tasks, rest: [], by: "cutover", reason }]; // biome-ignore format: one line
  });
  return turns.length === 0 ? undefined : { kind: "reopen", turns };
}
