// Which session is kept for whom: one a host and run, and one a host for questions that need no fence. The first run that
// comes takes the unfenced one over, so that observing and rolling out cost one handshake.
import type { Host } from "../../model/fleet.ts";
import type { Fence } from "../../ports.ts";
import type { SessionClient } from "./session-client.ts";

export interface KeptSession {
  readonly host: string;
  readonly session: Promise<SessionClient>;
  /** Who writes on it; undefined while nobody has said so. */
  fence: Fence | undefined;
}

export interface TakenSession {
  readonly entry: KeptSession;
  /** Its user is done with it. */
  giveBack(): void;
}

export interface KeptSessions {
  /** A session of exactly this fence; without one, any that is not at work just now. Opened when there is none. */
  take(host: Host, fence: Fence | undefined): TakenSession;
  /** Closes it, whoever uses it, and forgets it. */
  drop(entry: KeptSession): void;
  /**
   * Closes sessions: all, those to a host, or those of one run, everywhere or there. What a run is given after it was told of
   * a host is opened after that: it gets no unfenced one from before either. A question that is being answered meanwhile gets
   * its answer.
   */
  close(host?: string, run?: string): Promise<void>;
}

interface Entry extends KeptSession {
  /** Undefined while it is for questions only. */
  run: string | undefined;
  /** Uses by the run, and by questions. */
  working: number;
  asking: number;
  /** Given to nobody any more, and closed when the last question is answered. */
  leaving: boolean;
}

export function makeKeptSessions(open: (host: Host) => Promise<SessionClient>): KeptSessions {
  const kept = new Map<string, Set<Entry>>();

  const entriesOf = (host: string) => [...(kept.get(host) ?? [])];
  const forget = (entry: Entry) => {
    const entries = kept.get(entry.host);
    entries?.delete(entry);
    if (entries?.size === 0) kept.delete(entry.host);
  };
  const end = async (entry: Entry): Promise<void> => {
    forget(entry);
    const session = await entry.session.catch(() => undefined);
    session?.close();
  };
  const begin = (host: Host): Entry => {
    const session = open(host);
    const entry: Entry = { host: host.name, session, fence: undefined, run: undefined, ...unused };
    kept.set(host.name, (kept.get(host.name) ?? new Set()).add(entry));
    session.catch(() => forget(entry));
    return entry;
  };
  const forRun = (host: Host, fence: Fence): Entry => {
    const entries = entriesOf(host.name).filter(({ leaving }) => !leaving);
    const mine = entries.find(({ run }) => run === fence.run);
    if (mine !== undefined && (mine.fence === undefined || isSame(mine.fence, fence))) return mine;
    // The same run in another epoch: a host takes one fence a session.
    if (mine !== undefined) void end(mine);
    const entry = entries.find(({ run, asking }) => run === undefined && asking === 0) ?? begin(host);
    entry.run = fence.run;
    return entry;
  };
  const forQuestion = (host: Host): Entry => {
    const entries = entriesOf(host.name).filter(({ leaving }) => !leaving);
    const isFree = ({ working, asking }: Entry) => working + asking === 0;
    return entries.find(isFree) ?? entries.find(({ run }) => run === undefined) ?? begin(host);
  };
  return {
    take(host, fence) {
      const entry = fence === undefined ? forQuestion(host) : forRun(host, fence);
      const use = fence === undefined ? "asking" : "working";
      entry[use] += 1;
      const giveBack = () => {
        entry[use] -= 1;
        if (entry.leaving && entry.working + entry.asking === 0) void end(entry);
      };
      return { entry, giveBack };
    },
    drop: (entry) => void end(entry as Entry),
    async close(host, run) {
      const entries = (host === undefined ? [...kept.keys()] : [host]).flatMap(entriesOf);
      const isMeant = (entry: Entry) => entry.run === run || (entry.run === undefined && host !== undefined);
      const meant = run === undefined ? entries : entries.filter(isMeant);
      for (const entry of meant) entry.leaving = true;
      const over = meant.filter(({ working, asking }) => run === undefined || working > 0 || asking === 0);
      await Promise.all(over.map(end));
    },
  };
}

const unused = { working: 0, asking: 0, leaving: false };

function isSame(a: Fence, b: Fence): boolean {
  return a.run === b.run && a.epoch === b.epoch && a.holder === b.holder;
}
