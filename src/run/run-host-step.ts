// One host, one step: bytes first, then the task list in one message, then its events. A lost link is asked again
// until the patience ends; then the outcome is unknown, which is never success and never retried blindly (P7).
import { CutoverError, RefusedError } from "../errors.ts";
import type { Host } from "../model/fleet.ts";
import type { HostWork, Step, TaskGroup } from "../model/plan.ts";
import type { Task, TaskEvent } from "../model/task.ts";
import { type DeliverContext, deliverTask, isPatchRefusal } from "./deliver-task.ts";
import type { HostOutcome } from "./machine.ts";
import { isPassing, type Patience, staleEpoch, withPatience } from "./with-patience.ts";

/** `patienceMs`: how long a host that cannot be reached is asked again before its outcome is unknown. */
export type HostStepContext = DeliverContext & Patience;

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

/**
 * A host that refuses to build from a patch gets the full artifact and the same tasks again, as a step of its own there. Its
 * first story is heard to the end before that, also by a controller that takes the step up later: it says all that was refused.
 */
async function attempt(
  context: HostStepContext,
  { step, work, host, heard }: Attempt,
): Promise<{ outcome: HostOutcome; evidence: string }> {
  const distribute = work.groups.flat().filter(({ kind }) => kind === "distribute");
  for (const task of distribute) await deliverTask(context, { step: step.id, task, host, heard });
  const groups = work.groups
    .map((group) => group.filter(({ kind }) => kind !== "distribute"))
    .filter((group) => group.length > 0);
  if (groups.length === 0) return { outcome: "done", evidence: "" };
  const first = await perform(context, { step: step.id, submission: step.id, groups, host, heard });
  const refused = distribute.filter(({ component }) => first.refused.has(component));
  if (refused.length === 0) return outcomeOf(groups.flat(), first.ended);
  for (const task of refused) await deliverTask(context, { step: step.id, task, host, heard });
  const second = await perform(context, { step: step.id, submission: `${step.id}.full`, groups, host, heard });
  return outcomeOf(groups.flat(), second.ended);
}

interface Submission {
  readonly step: string;
  /** What the host knows the tasks by. */
  readonly submission: string;
  readonly groups: readonly TaskGroup[];
  readonly host: Host;
  readonly heard: Set<string>;
}

async function perform(
  context: HostStepContext,
  { step, submission, groups, host, heard }: Submission,
): Promise<{ readonly ended: ReadonlyMap<string, TaskEvent>; readonly refused: ReadonlySet<string> }> {
  const tasks = new Map(groups.flat().map((task) => [`${task.id} ${task.action}`, task]));
  const ended = new Map<string, TaskEvent>();
  const refused = new Set<string>();
  await context.executor.submit(host, submission, groups, context.fence);
  await context.record({ kind: "submitted", step, host: host.name });
  for await (const event of context.executor.events(host, submission, context.fence)) {
    const task = tasks.get(`${event.task} ${event.action}`);
    if (task === undefined) throw foreignTask(host, event);
    if (event.state !== "running") ended.set(`${event.task} ${event.action}`, event);
    const key = `${submission} ${event.task} ${event.action} ${event.state}`;
    const isNew = !heard.has(key);
    heard.add(key);
    if (submission === step && isRefusedPatch(context, { step, task, event })) {
      refused.add(task.component);
      await recordRefusal(context, { step, task, event });
    } else if (isNew) await context.record({ kind: "task", step, host: host.name, event });
  }
  return { ended, refused };
}

interface TaskReport {
  readonly step: string;
  readonly task: Task;
  readonly event: TaskEvent;
}

/** The journal says what was sent, also to a controller that did not send it. */
function isRefusedPatch(context: HostStepContext, { step, task, event }: TaskReport): boolean {
  const { host, component, kind } = task;
  return (
    kind === "build" &&
    event.state === "failed" &&
    isPatchRefusal(event.reason) &&
    context.patchOf({ step, host, component }) !== undefined
  );
}

/** Once: a host tells its story from the start every time. No verdict on the version, so no failed task. */
async function recordRefusal(context: HostStepContext, { step, task, event }: TaskReport): Promise<void> {
  const { host, component, version } = task;
  if (context.patchOf({ step, host, component }) !== "") return;
  const { reason, evidence } = event;
  await context.record({ kind: "patch-refused", step, host, component, version, reason, evidence });
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
