// `cutover host check`: asks hosts how they are. Changes nothing.
import { UsageError } from "../errors.ts";
import type { Observation } from "../model/observation.ts";
import { observeFleet } from "../observed/observe-fleet.ts";
import type { Controller } from "./controller.ts";
import { readNewest } from "./read-newest.ts";

/** One observation a host, in the order of the fleet. Throws UsageError for a name that the fleet does not have. */
export async function checkHosts({
  controller,
  names,
}: {
  readonly controller: Controller;
  /** All hosts unless given. */
  readonly names?: readonly string[];
}): Promise<readonly Observation[]> {
  const { hosts } = (await readNewest(controller)).loaded.desired;
  const unknown = names?.find((name) => !hosts.some((host) => host.name === name));
  if (unknown !== undefined) throw new UsageError(`The fleet has no host ${unknown}`, "cutover host list");
  const chosen = hosts.filter(({ name }) => names === undefined || names.includes(name));
  const { concurrency } = controller.settings;
  return [...(await observeFleet({ ...controller, hosts: chosen, concurrency })).values()];
}
