// Which hosts a run has read back as done, on its way on or on the way back in force. Pure.
import type { RunProgress, StepProgress } from "./progress.ts";

/**
 * Hosts of the plan, and how many of them the last step that touched them has read back as done (P10). On the way back the hosts that
 * go back: what an earlier way back has read back as done counts; what it left open is for the one in force, or for nobody any more.
 */
export function readBack(progress: RunProgress): { readonly done: number; readonly of: number } {
  const { plan, steps, rollback } = progress;
  if (rollback) {
    const back = Map.groupBy(steps.values(), ({ way }) => way);
    back.delete(0);
    const inForce = wentBack(back.get(rollback.way) ?? []);
    back.delete(rollback.way);
    const earlier = [...back.values()].flatMap((one) => [...wentBack(one)]);
    const before = earlier.flatMap(([host, isBack]) => (isBack && !inForce.has(host) ? host : []));
    const done = [...inForce].filter(([, isBack]) => isBack).length;
    const known = new Set(before).size;
    return { done: done + known, of: inForce.size + known };
  }
  const hosts = new Set(plan?.changes.map(({ host }) => host));
  const commit = [...steps.values()].find(({ kind }) => kind === "commit");
  const done = [...hosts].filter((host) => commit?.outcomes.get(host) === "done");
  return { done: done.length, of: hosts.size };
}

/** By host, whether every step that has it has read it back as done. */
function wentBack(steps: readonly StepProgress[]): Map<string, boolean> {
  const hosts = new Map<string, boolean>();
  for (const step of steps)
    for (const host of step.hosts) hosts.set(host, hosts.get(host) !== false && step.outcomes.get(host) === "done");
  return hosts;
}

/** What the run still goes by: once it goes back, the steps of the way back in force and no others. */
export function stepsInForce({ steps, rollback }: RunProgress): StepProgress[] {
  return [...steps.values()].filter(({ way }) => rollback === undefined || way === rollback.way);
}
