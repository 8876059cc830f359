// Asks hosts for their clocks, a few times each: the answer that comes fastest says most.
import pMap from "p-map";
import { CutoverError, HostRefusedError } from "../errors.ts";
import type { Host } from "../model/fleet.ts";
import type { RestorePointProblem } from "../model/restore-point.ts";
import { type ClockSample, clockOf, type HostClock } from "../plan/compare-clocks.ts";
import type { Clock, ExecutorPort, Fence } from "../ports.ts";
import { leaseTaken } from "./run-host-step.ts";
import { staleEpoch } from "./with-patience.ts";

export interface ClocksInput {
  readonly executor: Pick<ExecutorPort, "clock">;
  readonly clock: Pick<Clock, "now">;
  readonly fence: Fence;
  readonly hosts: readonly Host[];
  readonly concurrency: number;
  readonly signal: AbortSignal;
}

export interface Clocks {
  readonly clocks: ReadonlyMap<string, HostClock>;
  readonly problems: readonly RestorePointProblem[];
}

const samplesAHost = 5;

/** One clock a host that answers. Throws RefusedError `lease-lost` when one of them obeys another controller. */
export async function readClocks(input: ClocksInput): Promise<Clocks> {
  const found = await pMap(input.hosts, (host) => readClock(input, host), {
    concurrency: input.concurrency,
    signal: input.signal,
  });
  return {
    clocks: new Map(found.flatMap(({ host, clock }) => (clock === undefined ? [] : [[host, clock] as const]))),
    problems: found.flatMap(({ host, text }) => (text === undefined ? [] : { host, text: `${host} ${text}` })),
  };
}

async function readClock(
  { executor, clock, fence }: ClocksInput,
  host: Host,
): Promise<{ readonly host: string; readonly clock?: HostClock; readonly text?: string }> {
  if (executor.clock === undefined) return { host: host.name, text: "is no host whose clock can be compared" };
  try {
    const samples: ClockSample[] = [];
    // The first question also opens the connection.
    await executor.clock(host, fence);
    for (let count = 0; count < samplesAHost; count += 1) {
      const sentAt = clock.now();
      const reading = await executor.clock(host, fence);
      samples.push({ sentAt, heardAt: clock.now(), reading });
    }
    const found = clockOf(samples);
    return found === undefined ? { host: host.name, text: "was started anew" } : { host: host.name, clock: found };
  } catch (error) {
    if (!(error instanceof CutoverError)) throw error;
    if (error.code === staleEpoch) throw leaseTaken(host, error);
    const isOld = error instanceof HostRefusedError && error.code === "bad-request";
    return { host: host.name, text: isOld ? "has a host.sh that is too old to tell its clock" : error.message };
  }
}
