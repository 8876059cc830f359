// One model of a run under way, from the run's own events; the terminal, plain and JSON displays all read it.
import type { Plan, Step } from "../model/plan.ts";
import type { JournalEvent, RunOutcome } from "../model/run-event.ts";
import {
  type BytesReport,
  expectTransfers,
  noteBytes,
  noteDelivered,
  noteRefused,
  startMeter,
  type TransferMeter,
  type TransferReading,
  timeLeft,
} from "./transfer-meter.ts";

export type HostOutcome = "done" | "failed" | "unknown";

export interface StepProgress {
  readonly id: string;
  readonly kind: Step["kind"] | "rollback";
  readonly batch: number;
  /** Which way back of the run it belongs to, from 1; 0 for what was planned or asked for by hand. */
  readonly way: number;
  /** Grows for a way back, whose hosts are known once they are told to go back. */
  readonly hosts: Set<string>;
  readonly outcomes: Map<string, HostOutcome>;
  /** Hosts that were handed something of it, or were to be. */
  readonly begun: Set<string>;
  /** Tasks of it that only say what they would do. */
  readonly dry: ReadonlySet<string>;
  /** Later by every pause in which the run waited, so that the step's time is what was worked. */
  startedAt: number | undefined;
  endedAt: number | undefined;
}

export interface RunningTask {
  readonly host: string;
  readonly component: string;
  readonly task: string;
  readonly action: "do" | "undo";
  readonly since: number;
}

export interface MakingReport {
  readonly what: string;
  readonly done: number;
  readonly total: number;
  readonly ended: boolean;
}

interface MakingProgress {
  readonly done: number;
  readonly total: number;
  readonly since: number;
}

export interface RefusedPatch {
  readonly host: string;
  readonly component: string;
  readonly version: string;
  readonly reason: string;
  readonly evidence: string;
}

export interface Failure {
  readonly step: string;
  readonly host: string;
  /** `component/task`, or `host` when no single task is to blame. */
  readonly what: string;
  readonly reason: string;
  readonly evidence: string;
  /** Set once a display has printed it. */
  told: boolean;
}

/** Grows with every event, since 10,000 hosts send too many to copy it each time; displays only read it. */
export interface RunProgress {
  readonly run: string;
  plan: Plan | undefined;
  commit: string;
  epoch: number;
  startedAt: number;
  /** Time of the newest event. */
  at: number;
  readonly steps: Map<string, StepProgress>;
  /** Keyed by `step/host/task/action`. */
  readonly running: Map<string, RunningTask>;
  readonly transfers: TransferMeter;
  /** Patches that are made just now, by what they are called. */
  readonly making: Map<string, MakingProgress>;
  readonly refusedPatches: RefusedPatch[];
  readonly failures: Failure[];
  /** `step/host` of every failure, so that a host's end does not repeat its task's. */
  readonly explained: Set<string>;
  /** The newest thing that a task showed. */
  lastEvidence: { readonly task: string; readonly text: string } | undefined;
  /** The way back in force. */
  rollback:
    | { readonly scope: "batch" | "release"; readonly reason: string; readonly by: string; readonly way: number }
    | undefined;
  outcome: RunOutcome | undefined;
  reason: string;
}

export function startProgress(run: string, at: number): RunProgress {
  return {
    run,
    plan: undefined,
    commit: "",
    epoch: 0,
    startedAt: at,
    at,
    steps: new Map(),
    running: new Map(),
    transfers: startMeter(),
    making: new Map(),
    refusedPatches: [],
    failures: [],
    explained: new Set(),
    lastEvidence: undefined,
    rollback: undefined,
    outcome: undefined,
    reason: "",
  };
}

const wakes: ReadonlySet<JournalEvent["kind"]> = new Set([
  "run-resumed",
  "step-added",
  "host-reopened",
  "task-skipped",
  "amended",
]);

export function applyEvent(progress: RunProgress, event: JournalEvent): void {
  // Nobody worked on the run before such a word: what it waited is no time of its steps.
  if (wakes.has(event.kind)) for (const step of progress.steps.values()) if (step.endedAt === undefined) beginLater(step, event.at - progress.at); // biome-ignore format: one line
  progress.at = event.at;
  switch (event.kind) {
    case "run-planned":
      progress.plan = event.plan;
      progress.commit = event.commit;
      progress.epoch = event.epoch;
      progress.startedAt = event.at;
      for (const step of event.plan.steps) progress.steps.set(step.id, plannedStep(step));
      expectTransfers(progress.transfers, event.plan);
      break;
    case "run-resumed":
      progress.epoch = event.epoch;
      progress.running.clear();
      break;
    case "step-started":
      stepOf(progress, event.step).startedAt = event.at;
      break;
    case "step-ended":
    case "gate-opened":
      stepOf(progress, event.step).endedAt = event.at;
      break;
    case "step-added":
      progress.steps.set(event.step.id, plannedStep(event.step));
      break;
    case "host-reopened": {
      const step = stepOf(progress, event.step);
      step.outcomes.delete(event.host);
      if (step.endedAt !== undefined) beginLater(step, event.at - step.endedAt);
      step.endedAt = undefined;
      progress.explained.delete(`${event.step}/${event.host}`);
      break;
    }
    case "submitted": {
      const step = stepOf(progress, event.step);
      step.hosts.add(event.host);
      step.begun.add(event.host);
      break;
    }
    case "delivered":
      noteDelivered(progress.transfers, { ...event, sent: event.bytes });
      break;
    case "patch-refused":
      noteRefused(progress.transfers, event);
      progress.refusedPatches.push(event);
      break;
    case "task":
      applyTask(progress, event);
      break;
    case "host-ended":
      applyHostEnded(progress, event);
      break;
    case "rollback-started":
      progress.rollback = { scope: event.scope, reason: event.reason, by: event.by, way: wayOf(progress, event) };
      break;
    case "run-ended":
      progress.outcome = event.outcome;
      progress.reason = event.reason;
      break;
    default:
      break;
  }
}

/** Asked for again it goes on, in traffic it is another one, as run/machine.ts has it. */
function wayOf({ rollback }: RunProgress, { inTraffic }: Extract<JournalEvent, { kind: "rollback-started" }>): number {
  return (rollback?.way ?? 1) + (inTraffic === true && rollback !== undefined ? 1 : 0);
}

function beginLater(step: StepProgress, ms: number): void {
  if (step.startedAt !== undefined) step.startedAt += ms;
}

export function applyBytes(progress: RunProgress, report: BytesReport, at = progress.at): void {
  noteBytes(progress.transfers, report, at);
}

export function applyMaking({ making }: RunProgress, { what, done, total, ended }: MakingReport, at: number): void {
  if (ended) making.delete(what);
  else making.set(what, { done, total, since: making.get(what)?.since ?? at });
}

/** Of one patch that is being made; estimates, since nobody knows what the rest will take. */
export function readMaking({ done, total, since }: MakingProgress, now: number): TransferReading {
  const bytesPerSecond = now - since < 500 ? undefined : (done * 1_000) / (now - since);
  return { done, total, bytesPerSecond, msLeft: timeLeft({ done, total, bytesPerSecond }) };
}

export function sentBytes({ transfers }: RunProgress): number {
  return transfers.sent;
}

export function stepOf(progress: RunProgress, id: string): StepProgress {
  const known = progress.steps.get(id);
  if (known) return known;
  const batch = Number(/\.(\d{1,6})$/.exec(id)?.[1] ?? 0);
  const step: StepProgress = {
    id,
    kind: "rollback",
    batch,
    way: progress.rollback?.way ?? 0,
    hosts: new Set(),
    outcomes: new Map(),
    begun: new Set(),
    dry: new Set(),
    startedAt: undefined,
    endedAt: undefined,
  };
  progress.steps.set(id, step);
  return step;
}

function plannedStep({ id, kind, batch, work }: Step): StepProgress {
  const hosts = new Set(work.map(({ host }) => host));
  const tasks = work.flatMap(({ groups }) => groups.flat());
  const dry = new Set(tasks.flatMap((task) => (task.options["dry-run"] === undefined ? [] : task.id)));
  return { id, kind, batch, way: 0, hosts, outcomes: new Map(), begun: new Set(), dry, startedAt: undefined, endedAt: undefined }; // biome-ignore format: one line
}

function applyTask(progress: RunProgress, { step, host, event, at }: Extract<JournalEvent, { kind: "task" }>): void {
  const [, component = "", task = ""] = event.task.split("/");
  const key = `${step}/${host}/${event.task}/${event.action}`;
  if (event.state === "running") {
    progress.running.set(key, { host, component, task, action: event.action, since: at });
    return;
  }
  progress.running.delete(key);
  const evidence = event.evidence.trim();
  if (evidence !== "") progress.lastEvidence = { task: event.task, text: evidence };
  if (event.state === "failed") {
    const how = stepOf(progress, step).dry.has(event.task) ? "dry run of " : "";
    const what = `${how}${component}/${task}${event.action === "undo" ? " undo" : ""}`;
    progress.failures.push({ step, host, what, reason: event.reason, evidence: event.evidence, told: false });
    progress.explained.add(`${step}/${host}`);
  }
}

function applyHostEnded(
  progress: RunProgress,
  { step: id, host, outcome, evidence }: Extract<JournalEvent, { kind: "host-ended" }>,
): void {
  const step = stepOf(progress, id);
  step.hosts.add(host);
  step.outcomes.set(host, outcome);
  step.begun.add(host);
  for (const [key, task] of progress.running) {
    if (task.host === host && key.startsWith(`${id}/`)) progress.running.delete(key);
  }
  if (outcome !== "done" && !progress.explained.has(`${id}/${host}`)) {
    progress.failures.push({ step: id, host, what: "host", reason: outcome, evidence, told: false });
  }
}
