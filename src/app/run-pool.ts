// The runs that are open: those that this process drives side by side, and those that wait. It knows what each of them claims,
// and owns the promise of each; what may start beside them is for others to ask.
import type { Plan } from "../model/plan.ts";
import type { JournalEvent, RunId } from "../model/run-event.ts";
import { takeTurns } from "../package/patch/take-turns.ts";
import { type Claimant, type Claims, claimsOf } from "../plan/claims.ts";
import type { Lease } from "../ports.ts";
import { isFreed } from "../run/is-freed.ts";
import { noteUnwell, type Unwell, unwellKinds } from "../run/note-unwell.ts";
import { openRuns, runStream } from "../run/replay.ts";
import type { RunState } from "../run/run-state.ts";
import { noneBeside, type UnwellBeside, unwellBeside } from "../run/unwell-beside.ts";
import type { Controller } from "./controller.ts";
import { makeRunId, type PlannedRun, type RunResult, type RunWatcher, resumeRun, startRun } from "./execute-run.ts";
import type { RunSources } from "./make-deliveries.ts";

export interface OpenRun extends Claimant {
  readonly plan: Plan;
  readonly generation: string;
  readonly isWayBack: boolean;
  /** `left`: nobody works on it just now. `waiting`: for hosts, or for a person, until it is taken up again. */
  readonly state: "left" | "under-way" | "waiting";
  /** How it stood when it was left waiting. */
  readonly stands: RunState | undefined;
  /** It was left waiting for what other runs of its release had used of the failure budget, and that is over by now. */
  readonly isFreed: boolean;
  /** Hosts that it found failed, silent or had to leave out (P9). */
  readonly unwell: ReadonlySet<string>;
  /** Of the newest event that was heard of. */
  readonly sequence: number;
}

/** `stopped`: somebody else of this process has to do with the run; it is still open. */
export type RunEnd = { readonly kind: "ended"; readonly result: RunResult } | { readonly kind: "stopped" };

export interface DrivenRun {
  readonly run: RunId;
  /** Also of a run that waits now. Rejects when the run could not be driven on at all: the lease is lost, the journal fails. */
  readonly ended: Promise<RunEnd>;
}

export interface RunPool {
  /** Oldest first. */
  open(): readonly OpenRun[];
  /** Claims at once, then journals and drives. Whoever calls it has looked at the claims. */
  start(planned: PlannedRun, sources: RunSources): DrivenRun;
  /** Drives on a run that nobody drives. */
  resume(run: RunId, sources: RunSources): DrivenRun;
  /** Leaves the run open where it is, with nothing of it going on any more. */
  stop(run: RunId, why: string): Promise<void>;
  /** One publication after the other, since statuses build on each other. */
  publishing<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when nothing is driven any more, however it ended. */
  idle(): Promise<void>;
}

export interface RunPoolInput {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly watcher: RunWatcher;
  /** Stops everything. */
  readonly signal: AbortSignal;
  /** `one-task`: each run goes one task further. `as-left`: those that somebody steps through go no further. */
  readonly pace?: "run" | "one-task" | "as-left";
}

interface Entry extends OpenRun {
  state: OpenRun["state"];
  stands: RunState | undefined;
  readonly bad: Unwell;
  sequence: number;
  driving: { readonly stop: AbortController; readonly ended: Promise<RunEnd> } | undefined;
}

/** Knows the runs that the journal shows without an end; drives none of them yet. */
export async function openRunPool({
  controller,
  lease,
  watcher,
  signal,
  pace = "run",
}: RunPoolInput): Promise<RunPool> {
  const entries = new Map<RunId, Entry>();
  /** Grows with whatever may tell a run something of another. */
  let changes = 0;
  for (const run of await openRuns(controller.journal)) {
    const events = await controller.journal.read(runStream(run), ["run-planned", ...unwellKinds]);
    const [planned] = events;
    if (planned?.kind !== "run-planned") continue;
    const entry = makeEntry(run, { planned, since: planned.at, all: () => entries.values() });
    for (const event of events) note(entry, event);
    entry.sequence = (await controller.journal.newest(runStream(run)))?.sequence ?? entry.sequence;
    entries.set(run, entry);
  }
  const turns = takeTurns(() => controller.settings.concurrency);
  const oneAtATime = takeTurns(() => 1);
  const watching: RunWatcher = {
    ...watcher,
    onEvent(event) {
      const entry = entries.get(event.stream.slice(runStream("").length));
      if (entry !== undefined) note(entry, event);
      changes += 1;
      watcher.onEvent(event);
    },
  };

  const besideOf = (entry: Entry): (() => UnwellBeside) => {
    let seen = -1;
    let known = noneBeside;
    return () => {
      if (seen !== changes) known = unwellBeside(entry, entries.values());
      seen = changes;
      return known;
    };
  };

  const drive = (
    entry: Entry,
    sources: RunSources,
    go: (context: Parameters<typeof resumeRun>[0]) => Promise<RunResult>,
  ): DrivenRun => {
    const { run } = entry;
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const inTurn = <T>(work: () => Promise<T>) => turns(work, both);
    const settle = (state: OpenRun["state"], stands?: RunState) => {
      entry.state = state;
      entry.stands = stands;
      entry.driving = undefined;
    };
    const beside = besideOf(entry);
    const ended = go({ controller, lease, sources, watcher: watching, signal: both, inTurn, beside, pace }).then(
      (result): RunEnd => {
        settle("waiting", result.state);
        if (result.state.outcome !== undefined) entries.delete(run);
        changes += 1;
        return { kind: "ended", result };
      },
      async (error: unknown): Promise<RunEnd> => {
        settle("left");
        // What never reached the journal claims nothing.
        if ((await controller.journal.newest(runStream(run)).catch(() => "unknown")) === undefined) entries.delete(run);
        if (stop.signal.aborted && !signal.aborted) return { kind: "stopped" };
        throw error;
      },
    );
    entry.state = "under-way";
    entry.driving = { stop, ended };
    // Whoever started it hears of it; the process must not die of it meanwhile.
    ended.catch(() => {});
    return { run, ended };
  };

  return {
    open: () => [...entries.values()],
    start(planned, sources) {
      const now = controller.clock.now();
      const ids = [makeRunId(now), makeRunId(now), makeRunId(now)];
      const run = ids.find((id) => !entries.has(id)) ?? makeRunId(now);
      const entry = makeEntry(run, { planned, since: now, all: () => entries.values() });
      entries.set(entry.run, entry);
      return drive(entry, sources, (context) => startRun(context, { ...planned, run: entry.run }));
    },
    resume(run, sources) {
      const entry = entries.get(run);
      if (entry === undefined || entry.driving !== undefined) throw new Error(`run ${run} is not to be taken up`);
      return drive(entry, sources, (context) => resumeRun(context, run));
    },
    async stop(run, why) {
      const driving = entries.get(run)?.driving;
      driving?.stop.abort(new Error(why));
      await driving?.ended.catch(() => {});
      // Requests of it may still be on their way; whoever goes on has sessions of its own.
      await controller.executor.close(undefined, run);
    },
    publishing: (work) => oneAtATime(work),
    async idle() {
      for (
        let left = [...entries.values()];
        left.some(({ driving }) => driving !== undefined);
        left = [...entries.values()]
      )
        await Promise.allSettled(left.map(({ driving }) => driving?.ended));
    },
  };
}

interface EntryInput {
  readonly planned: Pick<PlannedRun, "plan" | "generation" | "wayBackOf">;
  readonly since: number;
  readonly all: () => Iterable<Entry>;
}

function makeEntry(run: RunId, { planned, since, all }: EntryInput): Entry {
  const claims: Claims = claimsOf(planned.plan);
  const bad: Unwell = new Map();
  return {
    run,
    claims,
    since,
    plan: planned.plan,
    generation: planned.generation,
    isWayBack: planned.wayBackOf !== undefined,
    state: "left",
    stands: undefined,
    bad,
    get isFreed() {
      return this.stands !== undefined && this.driving === undefined && isFreed(this.stands, unwellBeside(this, all()));
    },
    get unwell() {
      return new Set(bad.keys());
    },
    sequence: 0,
    driving: undefined,
  };
}

function note(entry: Entry, event: JournalEvent): void {
  entry.sequence = event.sequence;
  noteUnwell(entry.bad, event);
}
