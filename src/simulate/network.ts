// Links to simulated hosts: how long a message takes, and which ones are lost.
import type { EventQueue } from "./event-queue.ts";
import { makeRandom, type Random } from "./random.ts";
import type { Fault } from "./scenario.ts";

export interface Exchange {
  readonly loses: "request" | "reply" | undefined;
  readonly lie: "foreign" | "short" | undefined;
}

export interface Network {
  latency(host: string): number;
  /** Nothing gets through to this host, nor back. */
  isBlack(host: string): boolean;
  /** What becomes of the next exchange with the host; counted. */
  exchange(host: string): Exchange;
}

interface Link {
  readonly random: Random;
  exchanges: number;
  readonly holes: readonly { readonly at: number; readonly forMs: number }[];
  readonly faults: ReadonlyMap<number, Exchange>;
}

export function makeNetwork({
  seed,
  queue,
  faults,
}: {
  seed: number;
  queue: EventQueue;
  faults: readonly Fault[];
}): Network {
  const links = new Map<string, Link>();
  const linkOf = (host: string): Link => {
    const known = links.get(host);
    if (known !== undefined) return known;
    const mine = faults.filter((fault) => "host" in fault && fault.host === host);
    const link: Link = {
      random: makeRandom(seed, "link", host),
      exchanges: 0,
      holes: mine.filter((fault) => fault.kind === "black-hole"),
      faults: exchangesOf(mine),
    };
    links.set(host, link);
    return link;
  };
  return {
    latency: (host) => 1 + linkOf(host).random.below(20),
    isBlack: (host) => linkOf(host).holes.some(({ at, forMs }) => queue.now() >= at && queue.now() < at + forMs),
    exchange(host) {
      const link = linkOf(host);
      link.exchanges += 1;
      return link.faults.get(link.exchanges) ?? { loses: undefined, lie: undefined };
    },
  };
}

function exchangesOf(faults: readonly Fault[]): Map<number, Exchange> {
  const exchanges = new Map<number, Exchange>();
  for (const fault of faults) {
    if (fault.kind === "cut") exchanges.set(fault.call, { loses: fault.moment, lie: undefined });
    if (fault.kind === "wrong-reply") exchanges.set(fault.call, { loses: undefined, lie: fault.lie });
  }
  return exchanges;
}
