// What one controller process does with plans and runs in a simulated world: it plans, starts, takes up and remembers with the
// production code. When it does so is for its passes to say.
import { CutoverError, HostUnreachableError } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import { digestOf } from "../model/digest.ts";
import type { Host } from "../model/fleet.ts";
import type { ObservedComponent } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import type { Delivery } from "../model/transfer.ts";
import { observeFleet } from "../observed/observe-fleet.ts";
import { makePlan } from "../plan/make-plan.ts";
import type { Clock, ExecutorPort, JournalPort } from "../ports.ts";
import { makeAppender } from "../run/append.ts";
import { decide } from "../run/decide.ts";
import { driveRun } from "../run/drive-run.ts";
import { leaveOutHeld } from "../run/leave-out-held.ts";
import { reduce } from "../run/machine.ts";
import type { Pace } from "../run/pace.ts";
import { replayRun, runStream } from "../run/replay.ts";
import { initialRunState, type RunState } from "../run/run-state.ts";
import type { UnwellBeside } from "../run/unwell-beside.ts";
import type { Fact } from "./fact.ts";
import { type BackAgain, type OperatorChoice, operatorAsksAgain, operatorDecides } from "./operator.ts";
import { operatorActs } from "./operator-by-hand.ts";
import type { Random } from "./random.ts";

export interface LifeInput {
  readonly name: string;
  readonly disk: string;
  readonly clock: Clock;
  /** What the journal's appender waits for before it writes. */
  readonly turn: () => Promise<void>;
  readonly journal: JournalPort;
  readonly executor: ExecutorPort;
  readonly fleet: readonly Host[];
  /** As git asks at this moment. */
  readonly releases: () => readonly DesiredRelease[];
  readonly published: ReadonlyMap<string, PublishedVersion>;
  /** Raises the epoch and is the holder from then on. */
  readonly acquire: () => number;
  readonly nextRun: () => string;
  readonly concurrency: number;
  readonly patienceMs: number;
  readonly tell: (fact: Fact) => void;
  /** Whether everything that was to go wrong has gone wrong. */
  readonly isCalm: () => boolean;
  readonly usesPatch: (task: Task) => boolean;
  readonly operatorChoice: () => OperatorChoice | "by-hand";
  readonly byHand: ByHand;
  /** What is asked of a way back that is taken up. */
  readonly backAgain: () => BackAgain;
  /** Asks in the middle of one that is driven. */
  readonly stopsWayBack: { readonly afterMs: number; readonly again: BackAgain } | undefined;
}

/** What people do in open runs beside deciding: each is asked once for every time that a run is gone on with. */
export interface ByHand {
  /** `cutover step`, instead of the whole run. */
  readonly isStepping: () => boolean;
  /** Somebody runs or takes back a task first. */
  readonly isActing: () => boolean;
  readonly pick: Random["pick"];
}

export interface Life extends LifeInput {
  readonly epoch: number;
  /** Where several runs may be open: what they tell each other. */
  readonly others?: {
    readonly hear: (run: string, event: EventBody) => void;
    readonly besideOf: (run: string) => UnwellBeside;
  };
  /** How often a plan was tried, by what it moves. */
  readonly tries: Map<string, number>;
}

/** `claimed`: places where an open run of the release brings just what is wanted. */
export async function planNow(
  life: Life,
  release: DesiredRelease,
  claimed: ReadonlyMap<string, string> = new Map(),
): Promise<Plan> {
  const { journal, fleet, executor, clock, concurrency, published } = life;
  const observations = await observeFleet({ hosts: fleet, executor, clock, concurrency });
  const { quarantined, holds } = await recall(journal);
  const generation = digestOf(JSON.stringify(release));
  const input = { release, observations, published, holds, quarantined, generation, claimed };
  const plan = makePlan(input);
  life.tell({ kind: "planned", disk: life.disk, input, plan });
  return plan;
}

export async function start(life: Life, plan: Plan, run = life.nextRun()): Promise<RunState> {
  const { epoch, fleet } = life;
  const pace = life.byHand.isStepping() ? "one-task" : "run";
  const planned: EventBody = { kind: "run-planned", commit: "c", generation: "g", plan, epoch, fleet, ...paceOf(pace) };
  return drive(life, { run, state: initialRunState, last: 0, first: planned, pace });
}

export async function resume(life: Life, run: string, again = life.backAgain()): Promise<RunState> {
  const { journal, clock, turn, epoch } = life;
  const { state, last } = await replayRun(journal, run);
  const { holds } = await recall(journal);
  const events = await journal.read(runStream(run));
  const choice = life.operatorChoice();
  const isActing = life.byHand.isActing() || (choice === "by-hand" && decide(state)?.kind === "hold");
  const acted = isActing ? operatorActs({ run, state, published: life.published, pick: life.byHand.pick }) : [];
  const held = {
    run,
    state,
    events,
    choice: choice === "by-hand" ? "retry" : choice,
    observe: observing(life),
    published: life.published,
  } as const;
  const decided = [
    ...(acted.length > 0 ? acted : await operatorDecides(held).catch(nothingWhereSilent)),
    ...operatorAsksAgain(state, again),
  ];
  const stepping = life.byHand.isStepping() ? "one-task" : "run";
  // What is asked for by hand where somebody steps through leaves the rest to the next step.
  const pace = acted.length > 0 && (stepping === "one-task" || life.byHand.pick([true, false])) ? "by-hand" : stepping;
  if (decided.some(({ kind }) => kind === "rollback-started"))
    await remember(life, (state.plan?.changes ?? []).filter(({ from, to }) => from !== to).map(takenBack));
  const added = [...leaveOutHeld(state, holds), ...decided];
  await makeAppender({ journal, clock, turn, stream: runStream(run), last }).append(...added);
  for (const event of added) life.others?.hear(run, event);
  const onward = added.reduce((before, event) => reduce(before, event, run), state);
  // `serve` leaves to who steps through a run all but what is read back in it.
  const mayLeave = pace === "run" && decided.length === 0 && state.pace === "one-task" && state.rollback === undefined;
  const isLeft = mayLeave && life.byHand.pick([true, false]);
  const driven = isLeft ? "read-back" : pace;
  const kept = driven === "by-hand" || driven === "read-back" ? state.pace : driven;
  const first = { kind: "run-resumed", epoch, ...paceOf(kept) } as const;
  return drive(life, { run, state: onward, last: last + added.length, first, pace: driven });
}

function paceOf(pace: "run" | "one-task"): { readonly pace?: "one-task" } {
  return pace === "one-task" ? { pace } : {};
}

function observing({ executor, fleet }: Life): (host: string) => Promise<readonly ObservedComponent[]> {
  return async (name) => {
    const host = fleet.find((each) => each.name === name);
    if (host === undefined) throw new Error(`nobody knows ${name}`);
    const seen = await executor.probe(host);
    if (seen.kind === "observed") return seen.components;
    throw new HostUnreachableError(host, seen.message);
  };
}

/** The command says that the host cannot be reached, and nothing was changed. */
function nothingWhereSilent(error: unknown): EventBody[] {
  if (error instanceof HostUnreachableError) return [];
  throw error;
}

async function drive(
  life: Life,
  { run, state, last, first, pace }: { run: string; state: RunState; last: number; first: EventBody; pace: Pace },
): Promise<RunState> {
  const {
    journal,
    clock,
    turn,
    executor,
    fleet,
    epoch,
    name: holder,
    concurrency,
    patienceMs,
    stopsWayBack,
    others,
  } = life;
  const appender = makeAppender({ journal, clock, turn, stream: runStream(run), last });
  await appender.append(first);
  const stop = new AbortController();
  const driven = driveRun({
    state: reduce(state, first, run),
    appender,
    executor,
    clock,
    hosts: new Map(fleet.map((host) => [host.name, host])),
    fence: { run, epoch, holder },
    pace,
    concurrency,
    patienceMs,
    deliveryFor: async (task, _, { refused }) => deliveryOf(task, refused === undefined && life.usesPatch(task)),
    ...(others === undefined ? {} : { beside: () => others.besideOf(run) }),
    onEvent(event) {
      others?.hear(run, event);
      const { kind } = event;
      if (kind !== "rollback-started" || stopsWayBack === undefined) return;
      void clock.sleep(stopsWayBack.afterMs).then(() => stop.abort(stopsWayBack));
    },
    onBytes: () => undefined,
    signal: stop.signal,
  });
  const ended = await driven.catch((error: unknown) => {
    if (error !== stopsWayBack || stopsWayBack === undefined) throw error;
    return undefined;
  });
  // As the run pool does it: stopped, marked, taken up again.
  if (ended === undefined) return resume(life, run, stopsWayBack?.again);
  const events = await journal.read(runStream(run));
  life.tell({ kind: "drove", disk: life.disk, run, state: ended, events });
  await keepQuarantines(life, run);
  return ended;
}

function deliveryOf({ component, version }: Task, isPatch: boolean): Delivery {
  const bytes = isPatch ? 10_000 : 400_000;
  const payload = {
    path: "-",
    digest: "sha256:0",
    bytes,
    codec: isPatch ? "patch" : "zstd",
    outputBytes: bytes,
  } as const;
  return {
    component,
    version,
    release: { component, version, metadata: "", signatures: "", manifest: "" },
    envelope: "",
    envelopeSignature: "",
    payload: isPatch ? { ...payload, base: "sha256:0" } : payload,
  };
}

export const controllerStream = "controller";

/** Quarantines and holds in force, as the app's controller memory derives them. */
async function recall(journal: JournalPort): Promise<{
  readonly quarantined: ReadonlyMap<string, string>;
  readonly holds: ReadonlyMap<string, string>;
}> {
  const quarantined = new Map<string, string>();
  const holds = new Map<string, string>();
  for (const event of await journal.read(controllerStream)) {
    if (event.kind === "quarantined") quarantined.set(`${event.component}@${event.tree}`, event.evidence);
    else if (event.kind === "held") holds.set(event.host ?? "*", event.reason);
    else if (event.kind === "resumed") holds.delete(event.host ?? "*");
  }
  return { quarantined, holds };
}

/** Quarantines outlive their run. Repeating it adds nothing. */
export async function keepQuarantines(life: Life, run: string): Promise<void> {
  const found = (await life.journal.read(runStream(run), ["quarantined"])).filter(({ kind }) => kind === "quarantined");
  await remember(
    life,
    found.flatMap((event) => (event.kind === "quarantined" ? quarantineOf(event) : [])),
  );
}

type Quarantine = Extract<EventBody, { kind: "quarantined" }>;

function quarantineOf({ kind, component, version, tree, reason, evidence }: Quarantine): Quarantine {
  return { kind, component, version, tree, reason, evidence };
}

/** What an operator takes back is not brought again by the next pass. */
function takenBack({ component, to: version, toTree: tree }: Plan["changes"][number]): Quarantine {
  return { kind: "quarantined", component, version, tree, reason: "operator", evidence: "rolled back" };
}

/** Adds what the controller's own stream does not have yet, also while an operator writes there. */
async function remember({ journal, clock, turn }: Life, wanted: readonly Quarantine[]): Promise<void> {
  for (let tries = 0; tries < 5; tries++) {
    const known = await journal.read(controllerStream);
    const trees = new Set(known.flatMap((event) => (event.kind === "quarantined" ? treeKey(event) : [])));
    const fresh = [...new Map(wanted.map((one) => [treeKey(one), one])).values()].filter(
      (one) => !trees.has(treeKey(one)),
    );
    if (fresh.length === 0) return;
    const last = known.at(-1)?.sequence ?? 0;
    try {
      await makeAppender({ journal, clock, turn, stream: controllerStream, last }).append(...fresh);
      return;
    } catch (error) {
      if (!(error instanceof CutoverError) || error.code !== "journal-taken") throw error;
    }
  }
}

const treeKey = ({ component, tree }: Quarantine): string => `${component}@${tree}`;
