// What a way back has left where it was, although none of its steps failed. Pure.
import type { Task, TaskState } from "../model/task.ts";
import type { RunState } from "./run-state.ts";

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
