// ExecutorPort over simulated hosts and links: one kept session a host, thrown away after any fault, as the SSH one does it.
import { HostUnreachableError, RefusedError } from "../errors.ts";
import type { Host } from "../model/fleet.ts";
import type { TaskEvent } from "../model/task.ts";
import type { ExecutorPort, Fence } from "../ports.ts";
import type { EventQueue } from "./event-queue.ts";
import type { SimHost } from "./host/sim-host.ts";
import type { StepTruth } from "./host/truth.ts";
import type { Exchange, Network } from "./network.ts";
import type { SimProcess } from "./process.ts";

export interface SimExecutorInput {
  readonly process: SimProcess;
  readonly queue: EventQueue;
  readonly network: Network;
  readonly hosts: ReadonlyMap<string, SimHost>;
  /** Numbers that no two sessions share. */
  readonly nextSession: () => number;
  readonly onSend: (host: string, what: Sent) => void;
}

/** What a controller is about to ask of a host. */
export type Sent = { readonly kind: "submit"; readonly step: string; readonly fence: Fence };

interface Session {
  readonly id: string;
  readonly bootId: string;
  fence: string | undefined;
}

/** A dead link is noticed after three unanswered signs of life. */
const deadLinkMs = 15_000;
const bytesAMs = 10_000;
const eventsMs = 2 * 3_600_000;

export function makeSimExecutor(input: SimExecutorInput): ExecutorPort {
  const { process, queue, network, hosts, nextSession, onSend } = input;
  /** By host, then run; questions take any. */
  const sessions = new Map<string, Session>();
  const simHost = (host: Host): SimHost => {
    const found = hosts.get(host.name);
    if (found === undefined) throw new Error(`no simulated host is called ${host.name}`);
    return found;
  };
  const sessionOf = (host: Host, fence: Fence | undefined): Session => {
    const wanted = fence && fenceWord(fence);
    const place = placeOf(host, fence?.run);
    const kept = sessions.get(place);
    if (kept !== undefined && (kept.fence === undefined || kept.fence === wanted)) return kept;
    const opened = { id: `s${nextSession()}`, bootId: simHost(host).truth.bootId, fence: undefined };
    sessions.set(place, opened);
    return opened;
  };
  const forget = (session: Session): void => {
    for (const [place, kept] of sessions) if (kept === session) sessions.delete(place);
  };

  /** One request and its answer. What the process has sent arrives, also when it dies meanwhile. */
  function call<T>(
    host: Host,
    fence: Fence | undefined,
    use: (there: SimHost, session: Session, exchange: Exchange) => T,
  ): Promise<T> {
    queue.touch();
    const there = simHost(host);
    const session = sessionOf(host, fence);
    const exchange = network.exchange(host.name);
    return new Promise((resolve, reject) => {
      const hear = (ms: number, settle: () => void) =>
        process.later(ms, () => {
          queue.touch();
          settle();
        });
      const lose = (why: string, ms: number) => {
        forget(session);
        hear(ms, () => reject(new HostUnreachableError(host, new Error(why))));
      };
      const answer = (settle: () => void) => {
        if (exchange.loses === "reply") return lose("the reply was lost", 200);
        queue.after(network.latency(host.name), () => {
          if (network.isBlack(host.name)) lose("no answer", deadLinkMs);
          else if (there.truth.bootId !== session.bootId) lose("connection reset", deadLinkMs);
          else hear(0, settle);
        });
      };
      queue.after(network.latency(host.name), () => {
        if (network.isBlack(host.name)) return lose("no answer", deadLinkMs);
        if (!there.truth.isUp) return lose("connection refused", 50);
        if (there.truth.bootId !== session.bootId) return lose("connection reset", 50);
        if (exchange.loses === "request") return lose("the request was lost", 200);
        try {
          if (fence !== undefined && session.fence === undefined) {
            there.fence(fence);
            session.fence = fenceWord(fence);
          }
          const value = use(there, session, exchange);
          answer(() => resolve(value));
        } catch (error) {
          answer(() => reject(error));
        }
      });
    });
  }

  return {
    probe: (host) => call(host, undefined, (there) => there.probe(process.clock.now())),
    clock: (host, fence) => call(host, fence, (there) => there.clock()),
    async deliver(host, { component, version, payload }, fence, onBytes) {
      await call(host, fence, () => undefined);
      for (const part of [0.5, 1]) {
        await process.wait(Math.ceil(payload.bytes / 2 / bytesAMs), () => undefined);
        const isLast = part === 1;
        await call(host, fence, (there) => {
          if (isLast) there.offer({ component, version, run: fence.run, isPatch: payload.base !== undefined });
        });
        onBytes(payload.bytes * part, payload.bytes * part);
      }
    },
    submit(host, step, groups, fence) {
      onSend(host.name, { kind: "submit", step, fence });
      return call(host, fence, (there, { id }) => void there.submit({ step, groups, fence, session: id }));
    },
    async *events(host, step, fence, withinMs = eventsMs) {
      const opened = await call(host, fence, (there, session, { lie }) => {
        return { of: there.step(fence.run, step), session, lie };
      });
      const until = queue.now() + withinMs;
      for (let told = 0; ; ) {
        const news = await listen(input, { host, there: simHost(host), ...opened, told, until });
        if (news.kind === "lost-link") {
          forget(opened.session);
          throw new HostUnreachableError(host, new Error(news.why));
        }
        for (const event of news.events) yield event;
        told += news.events.length;
        if (news.state === "ended") return;
        if (news.state === "lost") throw stepLost(host, step);
      }
    },
    async close(host, run) {
      for (const place of [...sessions.keys()])
        if (
          host === undefined ||
          place === placeOf(host, run) ||
          (run === undefined && place.startsWith(`${host.name} `))
        )
          sessions.delete(place);
    },
  };
}

const placeOf = (host: Host, run: string | undefined): string => `${host.name} ${run ?? ""}`;

const fenceWord = ({ run, epoch, holder }: Fence): string => `${run} ${epoch} ${holder}`;

interface ListenInput {
  readonly host: Host;
  readonly there: SimHost;
  readonly of: StepTruth;
  readonly session: Session;
  readonly lie: Exchange["lie"];
  readonly told: number;
  readonly until: number;
}

type News =
  | { readonly kind: "news"; readonly events: readonly TaskEvent[]; readonly state: "ended" | "lost" | undefined }
  | { readonly kind: "lost-link"; readonly why: string };

/** Waits until the host tells more, the step ends, or the link proves dead. */
function listen(
  { process, queue, network }: Pick<SimExecutorInput, "process" | "queue" | "network">,
  { host, there, of, session, lie, told, until }: ListenInput,
): Promise<News> {
  queue.touch();
  return new Promise((resolve) => {
    let isOver = false;
    const finish = (ms: number, news: () => News): void => {
      if (isOver) return;
      isOver = true;
      forget();
      process.later(ms, () => {
        queue.touch();
        resolve(news());
      });
    };
    const look = (): void => {
      if (isOver) return;
      if (there.truth.bootId !== session.bootId || !there.truth.isUp) {
        finish(deadLinkMs, () => ({ kind: "lost-link", why: "connection reset" }));
        return;
      }
      if (network.isBlack(host.name)) {
        finish(deadLinkMs, () => ({ kind: "lost-link", why: "no sign of life" }));
        return;
      }
      if (queue.now() >= until) {
        finish(0, () => ({ kind: "lost-link", why: "listened long enough" }));
        return;
      }
      const state = there.stateOf(of);
      if (of.events.length === told && state === undefined) return;
      if (network.exchange(host.name).loses !== undefined) {
        finish(100, () => ({ kind: "lost-link", why: "lost while it told" }));
        return;
      }
      const events = of.events.slice(told);
      finish(network.latency(host.name), () => ({ kind: "news", state, events: lie ? lied(events, lie) : events }));
    };
    const forget = there.onEvents(of, look);
    // What leaves no trace in the step, a dead link or runner, is looked for.
    const tick = (): void => {
      if (isOver || !process.isAlive()) {
        forget();
        return;
      }
      look();
      if (!isOver) queue.after(5_000, tick);
    };
    queue.after(0, tick);
  });
}

function lied(events: readonly TaskEvent[], lie: "foreign" | "short"): TaskEvent[] {
  if (lie === "short") return [];
  return events.map((event) => ({ ...event, task: `elsewhere/${event.task.split("/").slice(1).join("/")}` }));
}

function stepLost(host: Host, step: string): RefusedError {
  return new RefusedError({
    code: "step-lost",
    message: `${host.name} has no result for ${step}, and nothing there is working on it`,
    impact: "Its tasks may or may not have run; the way back undoes both",
    remedy: `cutover host check ${host.name}`,
  });
}
