// What a task that an operator ran by itself means for the plan: one that was taken back is missing where the plan had it, and its step
// waits until that is done again, or skipped. Pure.
import type { HostWork, Step } from "../model/plan.ts";
import type { Task, TaskId } from "../model/task.ts";
import { advanced, isBetween, notDoneOf, placeOf, type RunState, taskKey } from "./run-state.ts";

/** Why a task is skipped that somebody signed away. */
export const skippedByHand = "operator";

interface OnHost {
  readonly task: TaskId;
  readonly host: string;
}

/** Of a step that an operator asked for. */
export function addedTask({ added }: RunState, step: string, id: TaskId): Task | undefined {
  const work = added.find((each) => each.id === step)?.work ?? [];
  return work.flatMap(({ groups }) => groups.flat()).find((task) => task.id === id);
}

/** What an operator runs dry, or of another version, says nothing about the task of the plan. */
export function isAside({ plan }: RunState, { id, version, options }: Task): boolean {
  if (options["dry-run"] !== undefined) return true;
  const [host, component] = id.split("/");
  const change = plan?.changes.find((each) => each.host === host && each.component === component);
  return change !== undefined && change.to !== version;
}

/** What an operator took back, or tried to, is missing where the plan had it: its step waits, also one that had ended. */
export function withUndone(state: RunState, { task, host }: OnHost): RunState {
  const found = plannedIn(state, { task, host });
  if (found === undefined || !state.startedSteps.has(found.step.id)) return state;
  const { id } = found.step;
  const place = placeOf(id, host);
  // In a turn that was opened and not handed over yet: that does it again.
  if (!state.hosts.has(place) && toComeOf(state, place).includes(`${task} do`)) return state;
  // The step itself undid it after all, as a drain: whoever does that once more takes nothing back.
  if (
    state.tasks.get(task)?.state === "undone" &&
    found.work.groups.some((group) => group.some((own) => own.id === task && own.action === "undo"))
  ) {
    if (state.hosts.get(place) === "done") return state;
    const lifted = withDoneByHand(state, { task, host });
    if (lifted !== state) return lifted;
  }
  return advanced({
    ...state,
    hosts: state.hosts.set(place, "undone"),
    notDone: state.notDone.set(id, notDoneOf(state, id).add(host)),
    endedSteps: state.endedSteps.delete(id),
    position: 0,
  });
}

/**
 * What was taken back and then run by hand is there again: the step stands as before, unless more of it is missing on this host. The
 * rest of a turn goes on where somebody steps through the run; any other rest waits for a retry.
 */
export function withDoneByHand(state: RunState, { task, host }: OnHost): RunState {
  const found = plannedIn(state, { task, host });
  if (found === undefined || state.rollback !== undefined) return state;
  const { id } = found.step;
  const place = placeOf(id, host);
  if (state.hosts.get(place) !== "undone") return state;
  const turn = state.turns.get(place);
  // What a turn failed over goes on with a retry: handed over again, the host would tell the old story.
  if (turn?.isBegun === true && turn.rest.length > 0 && !isBetween(turn)) return state;
  const toCome = toComeOf(state, place);
  // Of a task that the step does and undoes, such as a drain, the undo comes last.
  const last = new Map(
    found.work.groups
      .flat()
      .filter((each) => !toCome.includes(taskKey(each)))
      .map((each) => [each.id, taskKey(each)]),
  );
  if (![...last.values()].every((key) => isThere(state, key))) return state;
  const notDone = state.notDone.set(id, notDoneOf(state, id).delete(host));
  const hosts = toCome.length === 0 ? state.hosts.set(place, "done") : state.hosts.delete(place);
  return advanced({ ...state, notDone, hosts, position: 0 });
}

/** What a turn that was opened has yet to do. */
function toComeOf({ turns }: RunState, place: string): readonly string[] {
  const turn = turns.get(place);
  if (turn === undefined) return [];
  return turn.isBegun ? turn.rest : [...turn.tasks, ...turn.rest];
}

function isThere({ tasks }: RunState, key: string): boolean {
  const [id = "", action] = key.split(" ");
  const reached = tasks.get(id);
  // Hosts skip what comes after a failure: that is not there.
  if (reached?.state === "skipped") return reached.reason === skippedByHand;
  return reached?.state === (action === "undo" ? "undone" : "done");
}

/** Where the plan does it on that host. */
function plannedIn(
  { plan }: RunState,
  { task, host }: OnHost,
): { readonly step: Step; readonly work: HostWork } | undefined {
  for (const step of plan?.steps ?? [])
    for (const work of step.work)
      if (work.host === host && work.groups.some((group) => group.some(({ id }) => id === task))) return { step, work };
  return undefined;
}
