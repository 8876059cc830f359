// `cutover rollback --in-traffic` for a run that is a way back itself: it goes on without the balancers that it waits for. Pure.
import { CutoverError } from "../errors.ts";
import type { EventBody, RunId } from "../model/run-event.ts";
import { leaveOutHeld } from "../run/leave-out-held.ts";
import { placeOf, type RunState, stepsOf } from "../run/run-state.ts";
import type { OperatorAct } from "./run-control.ts";

/** What the journal keeps of that wish; nothing while the run waits for no balancer. */
export function leaveBalancersOut(state: RunState, { by, reason }: OperatorAct): EventBody[] {
  return leaveOutHeld(state, new Map(balancerHosts(state).map((host) => [host, `in traffic, by ${by}: ${reason}`])));
}

/**
 * Throws a CutoverError while a balancer has something left to do and the run does not wait for one: nobody knows yet that it is
 * down, and hosts that it has taken out of traffic would stay out.
 */
export function refuseBeforeItWaits(
  { run, state }: { readonly run: RunId; readonly state: RunState },
  act: OperatorAct,
): void {
  const needed = balancerHosts(state).filter((host) => isStillNeeded(state, host));
  if (needed.length === 0 || leaveBalancersOut(state, act).length > 0) return;
  const names = needed.join(", ");
  const release = state.plan?.release ?? "RELEASE";
  throw new CutoverError({
    code: "not-waiting-for-balancer",
    message: `Run ${run} is a way back already, and does not wait for its balancer`,
    evidence: `${names} has something left to do, and was not silent for as long as a host is asked again`,
    impact: "Nothing was changed: the run goes on as before, with its balancer",
    remedy: `The same command again once cutover status says that the run waits for ${names}; where nobody drives it on, first: cutover rollback ${release} --reason …`,
  });
}

/** Those that only take others out of traffic in this run. */
function balancerHosts({ plan }: RunState): string[] {
  const moving = new Set(plan?.changes.map(({ host }) => host));
  const asked = plan?.steps.flatMap(({ traffic, work }) => (traffic === undefined ? [] : work.map(({ host }) => host)));
  return [...new Set(asked)].filter((host) => !moving.has(host));
}

function isStillNeeded(state: RunState, host: string): boolean {
  if (state.leftOut.has(host)) return false;
  return stepsOf(state).some(
    ({ id, traffic, work }) =>
      traffic !== undefined &&
      work.some((each) => each.host === host) &&
      !state.endedSteps.has(id) &&
      state.hosts.get(placeOf(id, host)) !== "done",
  );
}
