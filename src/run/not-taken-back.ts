// What a way back has left where it was, although none of its steps failed. Pure.
import { mayStand, type Task, type TaskState } from "../model/task.ts";
import { placeOf, type RunState } from "./run-state.ts";

const neverBegan: readonly (TaskState | undefined)[] = [undefined, "pending", "skipped"];

/**
 * `host/component` of every commit that began and whose switch was not undone: it may be committed, which no undo takes back. A run that
 * only commits what an earlier one has switched has no switch to undo.
 */
export function notTakenBack({ plan, tasks }: RunState): string[] {
  const stateOf = ({ host, component }: Task, kind: string) => tasks.get(`${host}/${component}/${kind}`)?.state;
  const commits = (plan?.steps ?? [])
    .filter(({ kind }) => kind === "commit")
    .flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()))
    .filter(({ kind }) => kind === "commit");
  const places = commits.flatMap((task) => {
    const isLeft = !neverBegan.includes(stateOf(task, "commit")) && stateOf(task, "switch") !== "undone";
    return isLeft ? [`${task.host}/${task.component}`] : [];
  });
  return [...new Set(places)].sort();
}

/** Hosts that the way back went on without, and on which something that it takes back may stand. A balancer's work is about others. */
export function leftBehind(state: RunState): string[] {
  const steps = (state.rollback?.steps ?? []).filter(({ traffic }) => traffic === undefined);
  const places = steps.flatMap(({ work }) => work.filter(({ host }) => state.leftOut.has(host)));
  const left = places.filter(({ groups }) => groups.flat().some((task) => mayBeThere(state, task)));
  return [...new Set(left.map(({ host }) => host))].sort();
}

/** By the host's word, or since it was given a step with it of which it told nothing. */
function mayBeThere({ plan, tasks, submitted, hosts }: RunState, { id, host }: Task): boolean {
  const told = tasks.get(id)?.state;
  if (told !== undefined) return mayStand(told);
  const mine = (plan?.steps ?? []).filter(({ work }) => work.some((each) => each.host === host && each.groups.flat().some((task) => task.id === id))); // biome-ignore format: one line
  return mine.some((step) => submitted.has(placeOf(step.id, host)) || hosts.get(placeOf(step.id, host)) === "unknown");
}
