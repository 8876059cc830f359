// `cutover host check`: asks hosts how they are. Changes nothing.
import { didYouMean, meantName } from "../desired/nearest.ts";
import { UsageError } from "../errors.ts";
import type { Observation } from "../model/observation.ts";
import type { RunId } from "../model/run-event.ts";
import { observeFleet } from "../observed/observe-fleet.ts";
import { openRuns, replayRun } from "../run/replay.ts";
import type { Controller } from "./controller.ts";
import { awaitedHosts } from "./open-trouble.ts";
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
  if (unknown !== undefined) {
    const meant = meantName(unknown, hosts.map(({ name }) => name)); // biome-ignore format: one line
    const next = meant === undefined ? "cutover host list" : `cutover host check ${meant}`;
    throw new UsageError(`The fleet has no host ${unknown}${didYouMean(meant)}`, next);
  }
  const chosen = hosts.filter(({ name }) => names === undefined || names.includes(name));
  const { concurrency } = controller.settings;
  return [...(await observeFleet({ ...controller, hosts: chosen, concurrency })).values()];
}

export interface AwaitedHosts {
  readonly run: RunId;
  readonly release: string;
  readonly hosts: readonly string[];
}

/** Open runs that wait for one of these hosts, from the journal: a check asks the host, and drives none of them on. */
export async function runsAwaiting(
  { journal }: Pick<Controller, "journal">,
  names: readonly string[],
): Promise<AwaitedHosts[]> {
  const found: AwaitedHosts[] = [];
  for (const run of await openRuns(journal)) {
    const { state } = await replayRun(journal, run);
    const hosts = awaitedHosts(state).filter((host) => names.includes(host));
    if (hosts.length > 0) found.push({ run, release: state.plan?.release ?? "release", hosts });
  }
  return found;
}
