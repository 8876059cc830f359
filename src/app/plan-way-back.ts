// The plan of a way back. In an emergency the balancer itself may be what is down, or the last other host: then a person may
// say that hosts switch while they are in traffic, which drops requests, and nobody else may.
import { CutoverError } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Host } from "../model/fleet.ts";
import type { Plan, PlannedChange } from "../model/plan.ts";
import { isTrafficRefusal } from "../plan/balancer-steps.ts";
import type { Controller } from "./controller.ts";
import { planRelease, type Snapshot } from "./release-context.ts";

interface WayBackRequest {
  readonly context: Snapshot;
  readonly release: DesiredRelease;
  readonly desired: { readonly hosts: readonly Host[]; readonly generation: string };
  /** What is gone back from: the way back from a tree leads through it, whatever quarantine says. */
  readonly bad: readonly PlannedChange[];
  readonly inTraffic: boolean | undefined;
}

export async function planWayBack(controller: Controller, { bad, ...request }: WayBackRequest): Promise<Plan> {
  const passingOver = new Set(bad.map(({ component, toTree }) => `${component}@${toTree}`));
  try {
    return await planRelease(controller, { ...request, passingOver });
  } catch (error) {
    if (!(error instanceof CutoverError) || !isTrafficRefusal(error)) throw error;
    throw withInTraffic(error, request.release);
  }
}

function withInTraffic(error: CutoverError, { name }: DesiredRelease): CutoverError {
  const { code, message, disposition, exitCode, evidence, impact, remedy } = error;
  const without = `to go back at once, with requests dropped while each host restarts: cutover rollback ${name} --in-traffic --reason '…'`;
  return new CutoverError({
    ...{ code, message, disposition, exitCode, cause: error },
    ...(evidence === undefined ? {} : { evidence }),
    ...(impact === undefined ? {} : { impact }),
    remedy: [remedy, without].filter(Boolean).join("; "),
  });
}
