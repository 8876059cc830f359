// One host, one step: bytes first, then the task list in one message, then its events. A lost link is asked again
// until the patience ends; then the outcome is unknown, which is never success and never retried blindly (P7).
import { CutoverError, RefusedError } from "../errors.ts";
import type { Host } from "../model/fleet.ts";
import type { HostWork, Step } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task, TaskEvent } from "../model/task.ts";
import type { Clock, Delivery, ExecutorPort, Fence } from "../ports.ts";
import type { HostOutcome } from "./machine.ts";

export interface HostStepContext {
  readonly executor: ExecutorPort;
  readonly clock: Clock;
  readonly fence: Fence;
  readonly deliveryFor: (task: Task, host: Host) => Promise<Delivery>;
  readonly record: (...events: readonly EventBody[]) => Promise<unknown>;
  /** Not journaled: only for whoever watches. */
  readonly onBytes: (host: string, component: string, sent: number, total: number) => void;
  /** How long a host that cannot be reached is asked again before its outcome is unknown; anything new from it starts the time afresh. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

const firstRetryMs = 200;
const longestRetryMs = 5_000;

/** Does the step or takes up what an earlier controller began; every part of it is idempotent (P6). Records all that happens, the outcome last. */
export async function runHostStep(
  context: HostStepContext,
  step: Step,
  work: HostWork,
  host: Host,
): Promise<HostOutcome> {
  let result: { outcome: HostOutcome; evidence: string };
  try {
    const heard = new Set<string>();
    result = await withPatience(context, heard, () => attempt(context, { step, work, host, heard }));
  } catch (error) {
    if (!(error instanceof CutoverError)) throw error;
    if (error.code === staleEpoch) throw leaseTaken(host, error);
    const outcome = isPassing(error) ? "unknown" : "failed";
    result = { outcome, evidence: [error.message, error.evidence].filter(Boolean).join(": ") };
  }
  await context.record({ kind: "host-ended", step: step.id, host: host.name, ...result });
  return result.outcome;
}

/** The host's word for: somebody with a higher epoch writes here. */
const staleEpoch = "stale-epoch";

/** What may be over by itself: a lost link, an artifact repository that does not answer, a host that is busy. No verdict on anything (P7). */
function isPassing(error: unknown): boolean {
  return error instanceof CutoverError && error.disposition !== "stall" && error.code !== staleEpoch;
}

/** The run is not over, it is only not ours any more (P5): whoever holds the lease goes on from what the hosts say. */
function leaseTaken(host: Host, cause: CutoverError): CutoverError {
  return new RefusedError({
    code: "lease-lost",
    message: `${host.name} obeys another controller now`,
    ...(cause.evidence === undefined ? {} : { evidence: cause.evidence }),
    impact: "This controller stops writing; its run stays open",
    remedy: "cutover status",
    cause,
  });
}

interface Attempt {
  readonly step: Step;
  readonly work: HostWork;
  readonly host: Host;
  /** News so far: events already recorded (a host tells its story from the start every time) and MiB delivered. */
  readonly heard: Set<string>;
}

async function attempt(
  context: HostStepContext,
  { step, work, host, heard }: Attempt,
): Promise<{ outcome: HostOutcome; evidence: string }> {
  const tasks = work.groups.flat();
  for (const task of tasks.filter(({ kind }) => kind === "distribute"))
    await deliver(context, { step, task, host, heard });
  const groups = work.groups
    .map((group) => group.filter(({ kind }) => kind !== "distribute"))
    .filter((group) => group.length > 0);
  if (groups.length === 0) return { outcome: "done", evidence: "" };
  await context.executor.submit(host, step.id, groups, context.fence);
  await context.record({ kind: "submitted", step: step.id, host: host.name });
  const ended = new Map<string, TaskEvent>();
  for await (const event of context.executor.events(host, step.id, context.fence)) {
    if (!tasks.some(({ id, action }) => id === event.task && action === event.action)) throw foreignTask(host, event);
    const key = `${event.task} ${event.action} ${event.state}`;
    if (!heard.has(key)) await context.record({ kind: "task", step: step.id, host: host.name, event });
    heard.add(key);
    if (event.state !== "running") ended.set(`${event.task} ${event.action}`, event);
  }
  return outcomeOf(
    tasks.filter(({ kind }) => kind !== "distribute"),
    ended,
  );
}

/** A host speaks for its own tasks only: its word on another's would be taken for that host's state. */
function foreignTask(host: Host, event: TaskEvent): CutoverError {
  return new CutoverError({
    code: "foreign-task",
    message: `${host.name} reported on a task that it was not given`,
    evidence: `${event.task} ${event.action}`,
    impact: "Nothing it said about this step counts",
    remedy: `cutover host check ${host.name}`,
  });
}

/** Done means that every single task was read back as done (P10); a host that skipped one or reports too little has failed. */
function outcomeOf(
  tasks: readonly Task[],
  ended: ReadonlyMap<string, TaskEvent>,
): { outcome: HostOutcome; evidence: string } {
  const notDone = [...ended.values()].filter(({ state }) => state !== "done");
  const worst = notDone.find(({ state }) => state === "failed") ?? notDone[0];
  if (worst)
    return { outcome: "failed", evidence: `${worst.task} ${worst.action}: ${worst.reason}: ${worst.evidence}` };
  const missing = tasks.filter(({ id, action }) => !ended.has(`${id} ${action}`));
  if (missing.length > 0)
    return { outcome: "failed", evidence: `no result for ${missing.map(({ id }) => id).join(", ")}` };
  return { outcome: "done", evidence: "" };
}

async function deliver(
  context: HostStepContext,
  { step, task, host, heard }: Pick<Attempt, "step" | "host" | "heard"> & { readonly task: Task },
): Promise<void> {
  const base = { task: task.id, action: "do" as const, exitCode: 0, evidence: "" };
  const report = (event: TaskEvent) => context.record({ kind: "task", step: step.id, host: host.name, event });
  const delivery = await context.deliveryFor(task, host);
  const total = delivery.payload.bytes + (delivery.bundlePayload?.bytes ?? 0);
  const started = context.clock.now();
  let bytes = 0;
  await report({ ...base, state: "running", durationMs: 0, reason: "started" });
  try {
    await context.executor.deliver(host, delivery, context.fence, (sent) => {
      bytes = sent;
      heard.add(`${task.id} MiB ${Math.floor(sent / 2 ** 20)}`);
      context.onBytes(host.name, task.component, sent, total);
    });
  } catch (error) {
    if (error instanceof CutoverError && !isPassing(error) && error.code !== staleEpoch) {
      await report({
        ...base,
        state: "failed",
        durationMs: context.clock.now() - started,
        exitCode: 1,
        reason: error.code,
        evidence: error.evidence ?? error.message,
      });
    }
    throw error;
  }
  const ms = context.clock.now() - started;
  await context.record({ kind: "delivered", step: step.id, host: host.name, component: task.component, bytes, ms });
  await report({ ...base, state: "done", durationMs: ms, reason: "delivered", evidence: `${bytes} bytes` });
}

/**
 * Tries again what may be over by itself, with growing pauses, for at most the patience since it began. Other errors pass.
 * `heard` grows with what is new from the host: each loss after that has the whole patience, and a step has an end of news.
 */
async function withPatience<T>(
  context: HostStepContext,
  heard: ReadonlySet<string>,
  action: () => Promise<T>,
): Promise<T> {
  let lost: { readonly at: number; readonly heard: number } | undefined;
  for (let pauseMs = firstRetryMs; ; pauseMs = Math.min(pauseMs * 2, longestRetryMs)) {
    try {
      return await action();
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (lost?.heard !== heard.size) {
        lost = { at: context.clock.now(), heard: heard.size };
        pauseMs = firstRetryMs;
      }
      if (context.clock.now() + pauseMs >= lost.at + context.patienceMs) throw error;
      await context.clock.sleep(pauseMs, context.signal);
    }
  }
}
