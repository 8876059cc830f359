// Asks every host what it runs, a bounded number at a time. Unreachable is a result, not an exception.
import pMap from "p-map";
import { CutoverError } from "../errors.ts";
import type { Host } from "../model/fleet.ts";
import type { Observation } from "../model/observation.ts";
import type { Clock, ExecutorPort } from "../ports.ts";

export interface ObserveInput {
  readonly hosts: readonly Host[];
  readonly executor: Pick<ExecutorPort, "probe">;
  readonly clock: Pick<Clock, "now">;
  readonly concurrency: number;
}

/** One observation a host, keyed by host name. Only a fault of our own rejects. */
export async function observeFleet({
  hosts,
  executor,
  clock,
  concurrency,
}: ObserveInput): Promise<Map<string, Observation>> {
  const observations = await pMap(hosts, (host) => observeHost(host, executor, clock), { concurrency });
  return new Map(observations.map((observation) => [observation.host, observation]));
}

async function observeHost(
  host: Host,
  executor: ObserveInput["executor"],
  clock: ObserveInput["clock"],
): Promise<Observation> {
  try {
    return await executor.probe(host);
  } catch (error) {
    if (!(error instanceof CutoverError)) throw error;
    const message = error.evidence === undefined ? error.message : `${error.message}: ${error.evidence}`;
    return { kind: "unreachable", host: host.name, at: clock.now(), code: error.code, message };
  }
}
