// Who of a batch may have traffic again, and when: with all of it, or, while a person decides about the others, those that are on
// their new version for good. Pure.
import type { Step } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import { targetOf } from "../plan/balancer-steps.ts";
import type { Effect } from "./effect.ts";
import { isDoneOn, isMissingOn, placeOf, type RunState, stepsOf, taskKey } from "./run-state.ts";

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
  const isDone = (of: Step, host: string) => isDoneOn(state, of.id, host);
  const isGood = (task: Task) => {
    const target = targetOf(task) ?? "";
    if (state.leftOut.has(target)) return false;
    // Whom a person took out by hand a person has back.
    if (step.traffic === "back" && state.missing.has(task.id)) return false;
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

/**
 * While a switch or its confirmation waits for a person: hosts of the batch that are confirmed come back into traffic. Undefined when
 * all that can have come, or a balancer did not do it: then its step says so once the run comes there. The others stay out:
 * one on its old version would have to leave again before its switch is tried again.
 */
export function backForHealthy(state: RunState, step: Step): Effect | undefined {
  const planned = backAfter(state, step);
  if (planned === undefined) return undefined;
  const back = inTraffic(state, planned);
  const open = back.work
    .filter(({ host, groups }) => groups.length > 0 && !state.leftOut.has(host))
    .filter(({ host }) => !state.hosts.has(placeOf(back.id, host)) && !isMissingOn(state, back.id, host))
    .map(({ host }) => host);
  // What is unknown is read back as it was handed over, once the run comes there.
  const again = pinBack(state, planned, (host) => state.hosts.get(placeOf(back.id, host)) !== "unknown");
  if (again === undefined && open.length === 0) return undefined;
  if (!state.startedSteps.has(back.id)) return { kind: "start-step", step: back };
  return again ?? { kind: "run-step", step: back, hosts: open };
}

/**
 * Balancers that put a part of a batch back get it in a turn of its own, which the journal keeps: the name of the step stands for all
 * of its tasks, and a host that was given others under a name refuses. What was begun is finished as it was handed over, while
 * all of it is still well; then those that are well since have their turn.
 */
export function pinBack(
  state: RunState,
  planned: Step,
  isAsked: (host: string) => boolean = () => true,
): Effect | undefined {
  if (planned.traffic !== "back" || state.rollback !== undefined) return undefined;
  const turns = inTraffic(state, planned).work.flatMap(({ host, groups }): HostReopened[] => {
    const whole =
      planned.work
        .find((work) => work.host === host)
        ?.groups.flat()
        .map(taskKey) ?? [];
    const place = placeOf(planned.id, host);
    const tasks =
      isAsked(host) && !state.leftOut.has(host) && !isMissingOn(state, planned.id, host)
        ? tasksToPin(state, { place, well: groups.flat(), whole })
        : [];
    const turn = (state.turns.get(place)?.number ?? 0) + 1;
    const reason = state.hosts.get(place) === "done" ? "well since the others came back into traffic" : "the others are not well"; // biome-ignore format: one line
    return tasks.length === 0 ? [] : [{ kind: "host-reopened", step: planned.id, host, turn, tasks, rest: [], by: "cutover", reason }]; // biome-ignore format: one line
  });
  return turns.length === 0 ? undefined : { kind: "reopen", turns };
}

type HostReopened = Extract<EventBody, { kind: "host-reopened" }>;

/** What a balancer is to do next and has no name yet; nothing when it goes on with what it was given, or failed. */
function tasksToPin(
  state: RunState,
  { place, well, whole }: { readonly place: string; readonly well: readonly Task[]; readonly whole: readonly string[] },
): string[] {
  const outcome = state.hosts.get(place);
  if (outcome === "done") return well.filter(({ id }) => state.tasks.get(id)?.state === "done").map(taskKey);
  const named = state.turns.get(place)?.tasks ?? whole;
  const keys = new Set(well.map(taskKey));
  // What it was given may hold a host that is not well any more (P9). No guard of the simulator: its worlds have no balancers.
  return outcome === "failed" || named.every((key) => keys.has(key)) ? [] : [...keys];
}
