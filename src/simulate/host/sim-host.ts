// A host that is only data and virtual time. It answers as host.sh does (a conformance suite holds it to that), can lose
// power at any moment, and tells what it does to whoever checks promises.
import { HostRefusedError } from "../../errors.ts";
import type { Observation, ObservedComponent } from "../../model/observation.ts";
import type { TaskGroup } from "../../model/plan.ts";
import type { ClockReading } from "../../model/restore-point.ts";
import type { Task, TaskEvent } from "../../model/task.ts";
import type { Fence } from "../../ports.ts";
import type { EventQueue } from "../event-queue.ts";
import { undrain, undrainWithRetries } from "./drain.ts";
import { type Ending, type MachineRoom, TaskFailure, type Work } from "./machine-room.ts";
import { readClock } from "./restore-point.ts";
import { isLost, makeRunner } from "./runner.ts";
import { hostTasks, taskWord } from "./tasks.ts";
import { guardComponent, takeBackOverdue } from "./trial.ts";
import { type ComponentTruth, type HostTruth, makeComponentTruth, type StepTruth, type Worker } from "./truth.ts";

export interface SimHostInput {
  readonly name: string;
  readonly manager: HostTruth["manager"];
  readonly queue: EventQueue;
  readonly contract: MachineRoom["contract"];
  readonly failure: MachineRoom["failure"];
  readonly duration: MachineRoom["duration"];
  readonly treeOf: (component: string, version: string) => string;
  readonly watcher: HostWatcher;
}

/** Hears what happens on a host, as it happens. */
export interface HostWatcher {
  onChange(host: HostTruth, component: ComponentTruth, what: string): void;
  onFence(host: HostTruth, fence: Fence): void;
  onSubmit(host: HostTruth, step: StepTruth): void;
  onTask(host: HostTruth, report: { step: StepTruth; task: Task; event: TaskEvent }): void;
}

/** The verbs of a session, and what happens to a machine. Every verb throws HostRefusedError with the host's own word. */
export interface SimHost {
  readonly truth: HostTruth;
  probe(at: number): Observation;
  clock(): ClockReading;
  fence(fence: Fence): void;
  /** Documents and bytes are verified and there. */
  offer(offer: { component: string; version: string; run: string; isPatch: boolean }): void;
  submit(input: { step: string; groups: readonly TaskGroup[]; fence: Fence; session: string }): "started" | "already";
  step(run: string, step: string): StepTruth;
  /** `ended`, `lost`, or undefined while somebody works on it. */
  stateOf(step: StepTruth): "ended" | "lost" | undefined;
  /** Called whenever something was written for those who listen. */
  onEvents(step: StepTruth, listener: () => void): () => void;
  losePower(): void;
  boot(): void;
  /** By hand, or at boot. */
  guard(): void;
  component(name: string): ComponentTruth;
}

const maxEpochJump = 1_000;

export function makeSimHost(input: SimHostInput): SimHost {
  const { name, manager, queue, watcher } = input;
  const truth: HostTruth = {
    name,
    manager,
    isUp: true,
    boots: 1,
    bootId: `${name}-boot-1`,
    bootedAt: queue.now(),
    isDiskFull: false,
    slowness: 1,
    epoch: { epoch: 0, holder: "", runs: [] },
    components: new Map(),
    steps: new Map(),
  };
  const listeners = new Map<StepTruth, Set<() => void>>();
  const uptime = () => queue.now() - truth.bootedAt;
  const room: MachineRoom = {
    truth,
    uptime,
    contract: input.contract,
    treeOf: input.treeOf,
    failure: input.failure,
    duration: (ms) => Math.ceil(input.duration(ms) * truth.slowness),
    start: (work, onEnd) => startWorker({ truth, queue }, work, onEnd),
    changed: (component, what) => watcher.onChange(truth, component, what),
  };
  const runner = makeRunner({
    room,
    onEvent: (step) => {
      for (const listener of [...(listeners.get(step) ?? [])]) listener();
    },
    onTask: (step, task, event) => watcher.onTask(truth, { step, task, event }),
  });
  const refuse = (verb: string, hostCode: number, reason: string): HostRefusedError =>
    new HostRefusedError({ host: name, verb, hostCode, reason, evidence: "simulated host" });
  const component = (of: string): ComponentTruth => {
    const known = truth.components.get(of) ?? makeComponentTruth(of);
    truth.components.set(of, known);
    return known;
  };
  return {
    truth,
    component,
    probe(at) {
      for (const each of truth.components.values()) takeBackOverdue(room, each);
      const components = [...truth.components.values()].map((each) => observe(each, input.treeOf));
      return { kind: "observed", host: name, at, facts: factsOf(truth), components };
    },
    clock: () => readClock(truth, uptime()),
    fence(fence) {
      const { epoch, holder } = truth.epoch;
      // guard P5: a lower epoch, or another holder of the same one, writes nothing here.
      if (fence.epoch < epoch || (fence.epoch === epoch && holder !== "" && holder !== fence.holder))
        throw refuse("fence", 75, "stale-epoch");
      if (fence.epoch > epoch + maxEpochJump) throw refuse("fence", 65, "epoch-jump");
      const isSame = fence.epoch === epoch && fence.holder === holder;
      const before = isSame ? truth.epoch.runs.filter((run) => run !== fence.run) : [];
      truth.epoch = { epoch: fence.epoch, holder: fence.holder, runs: [...before, fence.run] };
      watcher.onFence(truth, fence);
    },
    offer({ component: of, version, run, isPatch }) {
      if (truth.isDiskFull) throw refuse("put", 74, "write-failed");
      const there = component(of);
      there.offers = [...there.offers.filter((each) => each !== version), version];
      there.deliveries.set(version, { run, isPatch });
    },
    submit({ step, groups, fence, session }) {
      const unknown = groups.flat().find((task) => hostTasks[taskWord(task)] === undefined);
      if (unknown !== undefined) throw refuse("submit", 64, "unknown-kind");
      const foreign = groups.flat().some((task) => task.host !== name);
      if (foreign || groups.flat().length === 0) throw refuse("submit", 64, "bad-request");
      // guard P5: under the lock, before anything is stored, nobody with a higher epoch came since our fence.
      if (truth.epoch.epoch > fence.epoch) throw refuse("submit", 75, "stale-epoch");
      const key = `${fence.run} ${step}`;
      const payload = JSON.stringify(groups);
      const known = truth.steps.get(key);
      if (known !== undefined) {
        if (known.payload !== payload) throw refuse("submit", 65, "step-differs");
        // The same step again is the same step; the runner begins it once.
        if (!known.isStarted && known.result === undefined) runner.begin(known);
        return "already";
      }
      if (truth.isDiskFull) throw refuse("submit", 73, "cannot-create");
      const { epoch, holder, run } = fence;
      const stored: StepTruth = {
        run,
        step,
        groups,
        payload,
        session,
        fence: { epoch, holder, run },
        submittedAt: uptime(),
        bootId: truth.bootId,
        isStarted: false,
        isHeld: false,
        events: [],
        overtakenBy: undefined,
        result: undefined,
      };
      truth.steps.set(key, stored);
      overtake(truth, stored);
      watcher.onSubmit(truth, stored);
      runner.begin(stored);
      return "started";
    },
    step(run, step) {
      const found = truth.steps.get(`${run} ${step}`);
      if (found === undefined) throw refuse("events", 66, "no-such-step");
      return found;
    },
    stateOf: (step) => (step.result !== undefined ? "ended" : isLost(room, step) ? "lost" : undefined),
    onEvents(step, listener) {
      const of = listeners.get(step) ?? new Set();
      listeners.set(step, of);
      of.add(listener);
      return () => {
        of.delete(listener);
        if (of.size === 0) listeners.delete(step);
      };
    },
    losePower() {
      truth.isUp = false;
      truth.boots += 1;
      truth.bootId = `${name}-boot-${truth.boots}`;
      for (const step of truth.steps.values()) step.isHeld = false;
      for (const each of truth.components.values()) {
        each.lock = undefined;
        each.hooks.clear();
        each.worker = undefined;
        each.undrainer = undefined;
        each.watcher = undefined;
      }
    },
    boot() {
      truth.isUp = true;
      truth.bootedAt = queue.now();
      if (manager === "systemd") guard(room);
    },
    guard: () => guard(room),
  };
}

function guard(room: MachineRoom): void {
  for (const component of room.truth.components.values())
    room.start(
      function* (self) {
        yield* guardComponent(room, component, self);
        if (room.truth.manager === "systemd") yield* undrainWithRetries(room, component);
        else yield* undrain(room, component);
      },
      () => undefined,
    );
}

/** What an earlier step of the run may still be at, and this one undoes: that one begins no further group. */
function overtake({ steps }: HostTruth, { run, step, groups }: StepTruth): void {
  const undone = new Set(groups.flat().flatMap(({ id, action }) => (action === "undo" ? [id] : [])));
  if (undone.size === 0) return;
  for (const other of steps.values())
    if (other.run === run && other.step !== step && other.result === undefined)
      if (other.groups.flat().some(({ id, action }) => action === "do" && undone.has(id))) other.overtakenBy = step;
}

function startWorker<T>(
  { truth, queue }: { truth: HostTruth; queue: EventQueue },
  work: (self: Worker) => Work<T>,
  onEnd: (ending: Ending<T>) => void,
): Worker {
  const { bootId } = truth;
  const finish = (ending: Ending<T>): void => {
    worker.isAlive = false;
    onEnd(ending);
  };
  const worker: Worker = {
    isAlive: true,
    end() {
      if (!worker.isAlive) return;
      running.return(undefined as never);
      finish({ kind: "killed" });
    },
  };
  const running = work(worker);
  const step = (): void => {
    // Power was lost meanwhile, or somebody ended it.
    if (truth.bootId !== bootId) worker.isAlive = false;
    if (!worker.isAlive) return;
    try {
      const { done, value } = running.next();
      if (done) finish({ kind: "returned", value });
      else queue.after(value, step);
    } catch (error) {
      if (!(error instanceof TaskFailure)) throw error;
      finish({ kind: "failed", failure: error });
    }
  };
  queue.after(0, step);
  return worker;
}

function factsOf({ manager, bootId, epoch }: HostTruth) {
  const facts = { arch: "x86_64", kernel: "6.1.0", glibc: "2.36", tools: ["zstd"], hostScript: "0.1.0" };
  return { ...facts, mode: "system" as const, bootId, systemd: manager === "systemd", epoch: epoch.epoch };
}

const stateWords = { armed: "trial", confirmed: "confirmed", reverting: "reverting", reverted: "reverted" } as const;

/** As a probe reads it back from disk. */
export function observe(component: ComponentTruth, treeOf: SimHostInput["treeOf"]): ObservedComponent {
  const { name, current, committed, trial, built, releases, floor, drained } = component;
  const tree = (version: string | undefined) =>
    version !== undefined && built.has(version) && releases.has(version) ? treeOf(name, version) : undefined;
  return {
    component: name,
    current,
    currentTree: tree(current),
    committed: committed?.version,
    committedTree: committed && treeOf(name, committed.version),
    state: trial ? stateWords[trial.state] : committed ? "committed" : "none",
    trial: trial && { from: trial.from, to: trial.to, run: trial.run, reason: trial.reason },
    built: [...built].filter((version) => releases.has(version)).sort(),
    sequence: 0,
    floor,
    active: undefined,
    pid: undefined,
    ...(drained === undefined ? {} : { drained: drained.run }),
  };
}
