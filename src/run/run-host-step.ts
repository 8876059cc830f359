// One host, one step: bytes first, then the task list in one message, then its events. A lost link is asked again
// until the patience ends; then the outcome is unknown, which is never success and never retried blindly (P7).
import { CutoverError } from "../errors.ts";
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
  /** How long a silent host is asked again before its outcome is unknown. */
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
    result = await withPatience(context, () => attempt(context, step, work, host));
  } catch (error) {
    if (!(error instanceof CutoverError)) throw error;
    const outcome = error.code === "host-unreachable" ? "unknown" : "failed";
    result = { outcome, evidence: [error.message, error.evidence].filter(Boolean).join(": ") };
  }
  await context.record({ kind: "host-ended", step: step.id, host: host.name, ...result });
  return result.outcome;
}

async function attempt(
  context: HostStepContext,
  step: Step,
  work: HostWork,
  host: Host,
): Promise<{ outcome: HostOutcome; evidence: string }> {
  const tasks = work.groups.flat();
  for (const task of tasks.filter(({ kind }) => kind === "distribute")) await deliver(context, step, task, host);
  const groups = work.groups
    .map((group) => group.filter(({ kind }) => kind !== "distribute"))
    .filter((group) => group.length > 0);
  if (groups.length === 0) return { outcome: "done", evidence: "" };
  await context.executor.submit(host, step.id, groups, context.fence);
  await context.record({ kind: "submitted", step: step.id, host: host.name });
  const failures: TaskEvent[] = [];
  const ended = new Set<string>();
  for await (const event of context.executor.events(host, step.id, context.fence)) {
    await context.record({ kind: "task", step: step.id, host: host.name, event });
    if (event.state === "failed") failures.push(event);
    if (event.state !== "running") ended.add(`${event.task} ${event.action}`);
  }
  return outcomeOf(
    tasks.filter(({ kind }) => kind !== "distribute"),
    ended,
    failures,
  );
}

/** Done means that every single task was read back (P10); a host that reports too little has failed the step. */
function outcomeOf(
  tasks: readonly Task[],
  ended: ReadonlySet<string>,
  failures: readonly TaskEvent[],
): { outcome: HostOutcome; evidence: string } {
  const [failure] = failures;
  if (failure)
    return { outcome: "failed", evidence: `${failure.task} ${failure.action}: ${failure.reason}: ${failure.evidence}` };
  const missing = tasks.filter(({ id, action }) => !ended.has(`${id} ${action}`));
  if (missing.length > 0)
    return { outcome: "failed", evidence: `no result for ${missing.map(({ id }) => id).join(", ")}` };
  return { outcome: "done", evidence: "" };
}

async function deliver(context: HostStepContext, step: Step, task: Task, host: Host): Promise<void> {
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
      context.onBytes(host.name, task.component, sent, total);
    });
  } catch (error) {
    if (error instanceof CutoverError && error.code !== "host-unreachable") {
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

/** Asks an unreachable host again, with growing pauses, for at most the patience. Other errors pass. */
async function withPatience<T>(context: HostStepContext, action: () => Promise<T>): Promise<T> {
  const giveUpAt = context.clock.now() + context.patienceMs;
  for (let pauseMs = firstRetryMs; ; pauseMs = Math.min(pauseMs * 2, longestRetryMs)) {
    try {
      return await action();
    } catch (error) {
      const worthAsking =
        error instanceof CutoverError && error.code === "host-unreachable" && context.clock.now() + pauseMs < giveUpAt;
      if (!worthAsking) throw error;
      await context.clock.sleep(pauseMs, context.signal);
    }
  }
}
