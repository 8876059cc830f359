// One life of a controller process in a simulated world: passes as `serve` makes them, with the production planner, driver
// and journal code, and nothing of git or SSH.
import { CutoverError } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import { digestOf } from "../model/digest.ts";
import type { Host } from "../model/fleet.ts";
import type { Plan } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import type { Delivery } from "../model/transfer.ts";
import { observeFleet } from "../observed/observe-fleet.ts";
import { makePlan } from "../plan/make-plan.ts";
import type { Clock, ExecutorPort, JournalPort } from "../ports.ts";
import { makeAppender } from "../run/append.ts";
import { leaveOutHeld } from "../run/decide.ts";
import { driveRun } from "../run/drive-run.ts";
import { reduce } from "../run/machine.ts";
import { openRuns, replayRun, runStream } from "../run/replay.ts";
import { initialRunState, type RunState } from "../run/run-state.ts";
import type { Fact } from "./fact.ts";
import { type OperatorChoice, operatorDecides } from "./operator.ts";

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
  readonly release: () => DesiredRelease;
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
  readonly operatorChoice: () => OperatorChoice;
}

/** More with more hosts: what fails once on every host fails on some of them in each run. */
const passesOf = (hosts: number) => 60 + 2 * hosts;
const pollMs = 30_000;
const pauseMinutes = [0, 1, 5, 15, 60];

/** Resolves when two passes in a row had nothing to do, or after too many of them; rejects when the lease is another's. */
export async function liveAsController(input: LifeInput): Promise<"in-sync" | "given-up"> {
  const life: Life = { ...input, epoch: input.acquire(), tries: new Map() };
  for (let pass = 0, idle = 0; pass < passesOf(input.fleet.length); ) {
    const isCalm = input.isCalm();
    const result = await makePass(life);
    idle = isCalm ? Math.max(0, idle + idleness[result]) : 0;
    if (idle >= 1) return "in-sync";
    if (isCalm) pass += 1;
    await input.clock.sleep(pollMs);
  }
  return "given-up";
}

type PassResult = "nothing-to-do" | "held" | "busy";

/** Two passes without anything to do are enough; what is held may need time, a deadline of a trial for example. */
const idleness: Readonly<Record<PassResult, number>> = { "nothing-to-do": 0.5, held: 1 / 32, busy: -1_000 };

interface Life extends LifeInput {
  readonly epoch: number;
  /** How often a plan was tried, by what it moves. */
  readonly tries: Map<string, number>;
}

async function makePass(life: Life): Promise<PassResult> {
  const last = (await life.journal.streams("run/")).at(-1);
  if (last !== undefined) await keepQuarantines(life, last.slice("run/".length));
  for (const run of await openRuns(life.journal)) {
    const state = await resume(life, run);
    if (state.outcome === undefined) return "busy";
  }
  const plan = await planNow(life);
  await life.executor.close();
  if (plan.changes.length === 0) return isAtRest(plan) ? "nothing-to-do" : "held";
  const tried = life.tries.get(movesOf(plan)) ?? 0;
  life.tries.set(movesOf(plan), tried + 1);
  if (tried === 0) await start(life, plan);
  else {
    await life.clock.sleep((pauseMinutes[Math.min(tried, pauseMinutes.length - 1)] ?? 0) * 60_000);
    const again = await planNow(life);
    if (movesOf(again) === movesOf(plan)) await start(life, again);
  }
  return "busy";
}

function movesOf({ hash, changes }: Plan): string {
  return `${hash} ${changes.map(({ host, component, from }) => `${host}/${component}/${from}`)}`;
}

/** What stays as it is until somebody does something. */
function isAtRest({ held }: Plan): boolean {
  return held.every(({ reason }) => reason === "quarantined" || reason === "drifted" || reason === "held");
}

async function planNow(life: Life): Promise<Plan> {
  const { journal, fleet, executor, clock, concurrency, published } = life;
  const observations = await observeFleet({ hosts: fleet, executor, clock, concurrency });
  const { quarantined, holds } = await recall(journal);
  const release = life.release();
  const input = { release, observations, published, holds, quarantined, generation: digestOf(JSON.stringify(release)) };
  const plan = makePlan(input);
  life.tell({ kind: "planned", disk: life.disk, input, plan });
  return plan;
}

async function start(life: Life, plan: Plan): Promise<RunState> {
  const { epoch, fleet } = life;
  const planned: EventBody = { kind: "run-planned", commit: "c", generation: "g", plan, epoch, fleet };
  return drive(life, { run: life.nextRun(), state: initialRunState, last: 0, first: planned });
}

async function resume(life: Life, run: string): Promise<RunState> {
  const { journal, clock, turn, epoch } = life;
  const { state, last } = await replayRun(journal, run);
  const { holds } = await recall(journal);
  const events = await journal.read(runStream(run));
  const decided = operatorDecides({ run, state, events, choice: life.operatorChoice() });
  if (decided.some(({ kind }) => kind === "rollback-started"))
    await remember(life, (state.plan?.changes ?? []).filter(({ from, to }) => from !== to).map(takenBack));
  const added = [...leaveOutHeld(state, holds), ...decided];
  await makeAppender({ journal, clock, turn, stream: runStream(run), last }).append(...added);
  const onward = added.reduce((before, event) => reduce(before, event, run), state);
  return drive(life, { run, state: onward, last: last + added.length, first: { kind: "run-resumed", epoch } });
}

async function drive(
  life: Life,
  { run, state, last, first }: { run: string; state: RunState; last: number; first: EventBody },
): Promise<RunState> {
  const { journal, clock, turn, executor, fleet, epoch, name: holder, concurrency, patienceMs } = life;
  const appender = makeAppender({ journal, clock, turn, stream: runStream(run), last });
  await appender.append(first);
  const ended = await driveRun({
    state: reduce(state, first, run),
    appender,
    executor,
    clock,
    hosts: new Map(fleet.map((host) => [host.name, host])),
    fence: { run, epoch, holder },
    concurrency,
    patienceMs,
    deliveryFor: async (task, _, { refused }) => deliveryOf(task, refused === undefined && life.usesPatch(task)),
    onEvent: () => undefined,
    onBytes: () => undefined,
    signal: new AbortController().signal,
  });
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
async function keepQuarantines(life: Life, run: string): Promise<void> {
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
