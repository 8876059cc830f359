// A journal, a clock and a driver in memory: one controller process after the other over the same hosts.
import { CutoverError } from "../../src/errors.ts";
import type { Plan } from "../../src/model/plan.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import type { Delivery } from "../../src/model/transfer.ts";
import type { Clock, ExecutorPort, JournalPort } from "../../src/ports.ts";
import { makeAppender } from "../../src/run/append.ts";
import { type DriveInput, driveRun } from "../../src/run/drive-run.ts";
import { reduce } from "../../src/run/machine.ts";
import { replayRun, runStream } from "../../src/run/replay.ts";
import type { RunState } from "../../src/run/run-state.ts";
import { fleetOf } from "./plan-input.ts";

export const run = "r1";

/** A clock that only sleeping moves. */
export function sleptClock(): Clock {
  let now = 1_000;
  return {
    now: () => now,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      now += ms;
    },
  };
}

/** Keeps events as text, and refuses a gap or a repeat. */
export function memoryJournal(): JournalPort & { readonly kept: JournalEvent[] } {
  const kept: JournalEvent[] = [];
  const streams = new Map<string, JournalEvent[]>();
  const of = (stream: string) => streams.get(stream) ?? [];
  return {
    kept,
    async append(events) {
      for (const event of events) {
        const before = of(event.stream);
        if (event.sequence !== before.length + 1)
          throw new CutoverError({ code: "journal-taken", message: `sequence ${event.sequence}` });
        const copy = JSON.parse(JSON.stringify(event)) as JournalEvent;
        kept.push(copy);
        before.push(copy);
        streams.set(event.stream, before);
      }
    },
    read: async (stream, kinds) => of(stream).filter(({ kind }) => kinds?.includes(kind) ?? true),
    newest: async (stream) => of(stream).at(-1),
    tail: async (stream, count) => (count > 0 ? of(stream).slice(-count) : []),
    streams: async (prefix) => [...streams.keys()].filter((name) => name.startsWith(prefix)),
    close: async () => undefined,
  };
}

export interface ControllerInput {
  readonly plan: Plan;
  readonly journal: JournalPort;
  readonly executor: ExecutorPort;
  readonly epoch: number;
  readonly clock?: Clock;
  readonly more?: Partial<DriveInput>;
}

/** What a controller does with a run: reads the journal, plans when there is nothing, else resumes, and drives. */
export async function runController({ plan, journal, executor, epoch, ...rest }: ControllerInput): Promise<RunState> {
  const clock = rest.clock ?? sleptClock();
  const { state, last } = await replayRun(journal, run);
  const appender = makeAppender({ journal, clock, stream: runStream(run), last });
  const fleet = fleetOf([...new Set(plan.changes.map(({ host }) => host))]);
  const first =
    state.plan === undefined
      ? ({ kind: "run-planned", commit: "c", generation: "g", plan, epoch, fleet } as const)
      : ({ kind: "run-resumed", epoch } as const);
  await appender.append(first);
  return driveRun({
    state: reduce(state, first, run),
    appender,
    executor,
    clock,
    hosts: new Map(fleet.map((host) => [host.name, host])),
    fence: { run, epoch, holder: `controller-${epoch}` },
    concurrency: 4,
    patienceMs: 10_000,
    deliveryFor: async ({ component, version }) => delivery(component, version),
    onEvent: () => undefined,
    onBytes: () => undefined,
    signal: new AbortController().signal,
    ...rest.more,
  });
}

function delivery(component: string, version: string): Delivery {
  return {
    component,
    version,
    release: { component, version, metadata: "", signatures: "", manifest: "" },
    envelope: "",
    envelopeSignature: "",
    payload: { path: "/dev/null", digest: "sha256:0", bytes: 100, codec: "none", outputBytes: 100 },
  };
}
