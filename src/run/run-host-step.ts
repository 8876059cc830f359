// One host, one step: bytes first, then the task list in one message, then its events. A lost link is asked again
// until the patience ends; then the outcome is unknown, which is never success and never retried blindly (P7).
import { CutoverError, HostRefusedError, RefusedError } from "../errors.ts";
import type { Host } from "../model/fleet.ts";
import type { HostWork, Step, TaskGroup } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task, TaskEvent } from "../model/task.ts";
import { type DeliverContext, deliverTask, isPatchRefusal } from "./deliver-task.ts";
import { type Turn, taskKey } from "./run-state.ts";
import { outcomeOf, type TurnOutcome, type TurnResult } from "./turn-outcome.ts";
import { isPassing, type Patience, staleEpoch, withPatience } from "./with-patience.ts";

/** `patienceMs`: how long a host that cannot be reached is asked again before its outcome is unknown. */
export type HostStepContext = DeliverContext &
  Patience & {
    /** What the journal says the host is to be handed over; undefined for all of the step. */
    readonly turnOf: (step: string, host: string) => Turn | undefined;
    /**
     * Asked before the step is handed over, each time: a host that may not begin any more is only read back (P9). `isAnew`: it had the
     * step, and says that it did not begin it.
     */
    readonly mayBegin: (step: Step, host: string, isAnew?: boolean) => boolean;
    /** Hosts that were asked and do not answer now; kept here. */
    readonly silent: Set<string>;
    /** Not journaled: only for whoever watches. */
    readonly onSilent?: (silence: Silence) => void;
  };

/** A host from which a step hears nothing just now, and which is asked again. */
export interface Silence {
  readonly step: string;
  readonly host: string;
  readonly message: string;
  /** Its outcome is unknown then. */
  readonly until: number;
}

/**
 * Does the step, or this host's turn of it, or takes up what an earlier controller began; every part of it is idempotent (P6).
 * Records all that happens, the outcome last.
 */
export async function runHostStep(
  context: HostStepContext,
  step: Step,
  work: HostWork,
  host: Host,
): Promise<TurnOutcome> {
  for (;;) {
    const { turn, ...result } = await takeTurn(context, { step, work, host });
    if (result.outcome === "not-begun") await comeBackLater(context, { step, work, host, turn });
    if (result.outcome === "done" && turn !== undefined && turn.rest.length > 0) {
      await reopen(context, { step: step.id, host: host.name, turn: turn.number + 1, tasks: turn.rest, rest: [] });
      continue;
    }
    const { outcome, evidence } = result;
    if (outcome !== "not-begun")
      await context.record({ kind: "host-ended", step: step.id, host: host.name, outcome, evidence });
    return outcome;
  }
}

interface TurnPlace {
  readonly step: Step;
  readonly work: HostWork;
  readonly host: Host;
  /** Where somebody steps through the run: what is handed over again at once of what was passed over, and what only the next step does. */
  readonly cut?: (left: readonly string[]) => Pick<Turn, "tasks" | "rest">;
}

interface TurnInput extends TurnPlace {
  readonly turn: Turn | undefined;
  /** It was passed over: not before the host has it again is it as good as begun. */
  readonly isAnew?: boolean;
}

/**
 * One turn of a host; what it comes to is not recorded yet. Whoever takes several runs over has the epoch of a host with the first of
 * them: a step of another one may be passed over there before its run is taken over, too. It is handed over again, once: a host
 * takes it from the writer that it obeys, and from nobody else (P5).
 */
export async function takeTurn(
  context: HostStepContext,
  place: TurnPlace,
): Promise<TurnResult & Pick<TurnInput, "turn">> {
  const [step, host] = [place.step.id, place.host.name];
  const turn = context.turnOf(step, host);
  const result = await handOver(context, { ...place, turn });
  const { passedOver } = result;
  // guard P9: past the budget nothing more switches, also not what was to.
  if (passedOver.length === 0 || !context.mayBegin(place.step, host, true)) return { ...result, turn };
  const { tasks, rest } = place.cut?.(passedOver) ?? { tasks: passedOver, rest: [] };
  const next = { step, host, turn: (turn?.number ?? 0) + 1, tasks, rest: [...rest, ...(turn?.rest ?? [])] };
  await reopen(context, next, "it was passed over while the host was taken over");
  const again = context.turnOf(step, host);
  const second = await handOver(context, { ...place, turn: again, isAnew: true });
  // The budget was spent while the host was away: it stays what it was, passed over.
  return { ...(second.outcome === "not-begun" ? result : second), turn: again };
}

async function handOver(context: HostStepContext, { step, work, host, turn, isAnew }: TurnInput): Promise<TurnResult> {
  const mayBegin = () => context.mayBegin(step, host.name, isAnew && context.turnOf(step.id, host.name)?.isBegun === false); // biome-ignore format: one line
  const input = { mayBegin, step: step.id, submission: submissionOf(step, turn), groups: groupsOf(work, turn), host };
  try {
    const heard = new Set<string>();
    const onLost = ({ message }: CutoverError, until: number) =>
      context.onSilent?.({ step: step.id, host: host.name, message, until });
    return await withPatience({ ...context, onLost }, heard, () =>
      attempt(context, { ...input, heard }).then(
        (result) => {
          context.silent.delete(host.name);
          return result;
        },
        (error: unknown) => {
          if (isPassing(error)) context.silent.add(host.name);
          else context.silent.delete(host.name);
          throw error;
        },
      ),
    );
  } catch (error) {
    if (!(error instanceof CutoverError)) throw error;
    // guard P5: who was overtaken stops, and calls nobody failed.
    if (error.code === staleEpoch) throw leaseTaken(host, error);
    if (error.code === notBegun) return { outcome: "not-begun", evidence: "", passedOver: [] };
    const outcome = isPassing(error) ? "unknown" : "failed";
    return { outcome, evidence: [error.message, error.evidence].filter(Boolean).join(": "), passedOver: [] };
  }
}

/** Journals that a host goes on with these tasks of a step. */
export function reopen(
  { record }: Pick<HostStepContext, "record">,
  turn: Omit<Extract<EventBody, { kind: "host-reopened" }>, "kind" | "by" | "reason">,
  reason = "task by task",
): Promise<unknown> {
  return record({ kind: "host-reopened", ...turn, by: "cutover", reason });
}

/** What it came to is known: nothing. It has no outcome then, and the step is all before it, for when the budget allows it. */
function comeBackLater(context: HostStepContext, { step, work, host, turn }: TurnInput): Promise<unknown> {
  const tasks = turn?.tasks ?? work.groups.flat().map(taskKey);
  const next = { step: step.id, host: host.name, turn: (turn?.number ?? 0) + 1, tasks, rest: turn?.rest ?? [] };
  return reopen(context, next, "it never began, and the failure budget is spent");
}

/** What the host knows the tasks by: a step that it was given before is not done again under the same name. */
function submissionOf({ id }: Step, turn: Turn | undefined): string {
  return turn === undefined ? id : `${id}.r${turn.number}`;
}

function groupsOf({ groups }: HostWork, turn: Turn | undefined): readonly TaskGroup[] {
  if (turn === undefined) return groups;
  const mine = new Set(turn.tasks);
  return groups.map((group) => group.filter((task) => mine.has(taskKey(task)))).filter((group) => group.length > 0);
}

/** The run is not over, it is only not ours any more (P5): whoever holds the lease goes on from what the hosts say. */
export function leaseTaken(host: Host, cause: CutoverError): CutoverError {
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
  readonly step: string;
  /** What the host knows the tasks by. */
  readonly submission: string;
  readonly groups: readonly TaskGroup[];
  readonly host: Host;
  readonly mayBegin: () => boolean;
  /** News so far: events already recorded (a host tells its story from the start every time) and MiB delivered. */
  readonly heard: Set<string>;
}

/**
 * A host that refuses to build from a patch gets the full artifact and the same tasks again, as a step of its own there. Its
 * first story is heard to the end before that, also by a controller that takes the step up later: it says all that was refused.
 */
async function attempt(context: HostStepContext, { groups: all, ...place }: Attempt): Promise<TurnResult> {
  const { step, host, heard } = place;
  const distribute = all.flat().filter(({ kind }) => kind === "distribute");
  for (const task of distribute) await deliverTask(context, { step, task, host, heard });
  const groups = all
    .map((group) => group.filter(({ kind }) => kind !== "distribute"))
    .filter((group) => group.length > 0);
  if (groups.length === 0) return { outcome: "done", evidence: "", passedOver: [] };
  const first = await perform(context, { ...place, groups, mayRefuse: true });
  const refused = distribute.filter(({ component }) => first.refused.has(component));
  if (refused.length === 0) return outcomeOf(all.flat(), first.ended);
  for (const task of refused) await deliverTask(context, { step, task, host, heard });
  const submission = `${place.submission}.full`;
  const second = await perform(context, { ...place, submission, groups, mayRefuse: false });
  return outcomeOf(all.flat(), second.ended);
}

interface Submission extends Attempt {
  /** A patch that the host refuses here is no failed task yet. */
  readonly mayRefuse: boolean;
}

async function perform(
  context: HostStepContext,
  { step, submission, groups, host, heard, mayRefuse, mayBegin }: Submission,
): Promise<{ readonly ended: ReadonlyMap<string, TaskEvent>; readonly refused: ReadonlySet<string> }> {
  const tasks = new Map(groups.flat().map((task) => [taskKey(task), task]));
  const ended = new Map<string, TaskEvent>();
  const refused = new Set<string>();
  // guard P9: past the budget a host that was not reached before is only read back.
  if (mayBegin()) await context.executor.submit(host, submission, groups, context.fence);
  else await readBack(context, { submission, host });
  context.silent.delete(host.name);
  await context.record({ kind: "submitted", step, host: host.name });
  for await (const event of context.executor.events(host, submission, context.fence)) {
    const task = tasks.get(`${event.task} ${event.action}`);
    // guard P10: a host speaks for its own tasks only.
    if (task === undefined) throw foreignTask(host, event);
    if (event.state !== "running") ended.set(`${event.task} ${event.action}`, event);
    const key = `${submission} ${event.task} ${event.action} ${event.state}`;
    const isNew = !heard.has(key);
    heard.add(key);
    if (mayRefuse && isRefusedPatch(context, { step, task, event })) {
      refused.add(task.component);
      await recordRefusal(context, { step, task, event });
    } else if (isNew) await context.record({ kind: "task", step, host: host.name, event });
  }
  return { ended, refused };
}

/** The host's own word for: nobody ever gave me this step. */
const noSuchStep = "no-such-step";
const notBegun = "not-begun";

/** Resolves when the host has the step. Throws `not-begun` when it has not, changing nothing. */
async function readBack(
  { executor, fence }: HostStepContext,
  { submission, host }: Pick<Submission, "submission" | "host">,
): Promise<void> {
  try {
    for await (const _ of executor.events(host, submission, fence)) return;
  } catch (error) {
    if (!(error instanceof HostRefusedError) || error.code !== noSuchStep) throw error;
    throw new CutoverError({ code: notBegun, message: `${host.name} has not begun ${submission}`, cause: error });
  }
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
