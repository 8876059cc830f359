// `cutover task retry`: a host goes through what is left of a step, from the task that failed or was taken back on. What is
// done stays done; a mended task bundle amends the run (R31).
import { CutoverError, HostUnreachableError } from "../../errors.ts";
import type { ObservedComponent } from "../../model/observation.ts";
import type { Step } from "../../model/plan.ts";
import type { EventBody } from "../../model/run-event.ts";
import type { Task } from "../../model/task.ts";
import { leftOfStep, skippedTasks } from "../../run/left-of-step.ts";
import { placeOf, type RunState, taskKey } from "../../run/run-state.ts";
import { isStepped, nextByHand, type TaskAct, type TaskDecision, turnOfLeft } from "./act-in-run.ts";
import { amendment } from "./amend-run.ts";
import { type AskedTask, type FoundTask, findTask, refuseAtWork, refuseEnded } from "./find-task.ts";

export type RetryAct = TaskAct & {
  /** Goes on with a task bundle that was published since. */
  readonly amend: boolean;
};

/** Throws `nothing-to-retry`, `task-at-work`; `version-changed` when a bundle was published since and `amend` is not set. */
export async function retryTask(act: RetryAct, asked: AskedTask): Promise<TaskDecision> {
  const found = await findTask(act.controller.journal, asked);
  refuseEnded(found, "tried again");
  refuseAtWork(found);
  const left = leftOfStep({ events: found.events, step: found.step.id, work: found.work });
  refuseDone(found, left);
  const amended = await amendment(act, found);
  const { again, undo } = await withSwitch(act, found, left);
  // A host that gets the mended bundle goes through bytes and build whole.
  const brought = new Set(
    amended.flatMap((event) => (event.kind === "host-reopened" ? [`${event.step} ${event.host}`] : [])),
  );
  const reopened = turns(act, found, again).filter((event) => !brought.has(`${event.step} ${event.host}`));
  const events = [...takingBack(act, found, undo), ...amended, ...reopened];
  return isStepped(found) ? { found, events, pace: "one-task", upTo: found.task.id } : { found, events };
}

export function refuseDone({ run, step, task, state }: FoundTask, left: readonly string[]): void {
  const moved = step.kind === "restore-point" ? firstMoved(state, step) : undefined;
  const why = state.leftOut.has(task.host)
    ? `the run goes on without ${task.host}, and the next one takes it up`
    : !state.startedSteps.has(step.id)
      ? `its step ${step.id} has not begun`
      : left.includes(taskKey(task))
        ? moved && `the restore point is taken whole, and ${moved} has begun: it would save what that has changed`
        : "it is done; take it back first";
  if (why === undefined) return;
  throw new CutoverError({
    code: "nothing-to-retry",
    message: `${task.id} cannot be tried again: ${why}`,
    impact: "Nothing was changed",
    remedy:
      moved === undefined
        ? `cutover task show ${run}/${task.id}`
        : `cutover task skip ${run}/${task.id} --reason …, or cutover rollback --reason …`,
  });
}

/** Steps that change what hosts run or hold. */
const movingKinds: readonly Step["kind"][] = ["task", "switch"];

/** The first step after this one that has begun to change something. */
function firstMoved({ plan, startedSteps }: RunState, { id }: Step): string | undefined {
  const steps = plan?.steps ?? [];
  const later = steps.slice(steps.findIndex((step) => step.id === id) + 1);
  return later.find((step) => movingKinds.includes(step.kind) && startedSteps.has(step.id))?.id;
}

/**
 * A switch that was taken back, by hand or by the host itself at its deadline, is done again with all that belongs to it: what a
 * component does before its switch was saved before, and is back as it was. Tasks that stand all the same are undone first.
 */
async function withSwitch(
  act: TaskAct,
  found: FoundTask,
  left: readonly string[],
): Promise<{ readonly again: string[]; readonly undo: readonly Task[] }> {
  const { work, run, step, events } = found;
  const nothing = { again: [...left], undo: [] };
  if (step.kind !== "switch" && step.kind !== "confirm") return nothing;
  const tasks =
    stepOfBatch(found, "switch")
      ?.work.find(({ host }) => host === work.host)
      ?.groups.flat() ?? [];
  const switches = tasks.filter(({ kind }) => kind === "switch");
  const begun = switches.filter(({ id }) => (found.state.tasks.get(id)?.state ?? "pending") !== "pending");
  if (begun.length === 0) return nothing;
  const seen = begun.some((task) => !left.includes(taskKey(task))) ? await observe(act, found) : [];
  const lost = new Set(
    begun
      .filter((task) => wasDone(found, task))
      .filter((task) => left.includes(taskKey(task)) || !isOurs(seen.find((each) => each.component === task.component), { run, tasks })) // biome-ignore format: one line
      .map(({ component }) => component),
  );
  const skipped = skippedTasks(events);
  const own = tasks.filter(({ component, id }) => lost.has(component) && !skipped.has(id));
  const wanted = new Set([...left, ...own.map(taskKey)]);
  const stands = own.filter(({ kind, action, id }) => kind === "hook" && action === "do" && found.state.tasks.get(id)?.state === "done"); // biome-ignore format: one line
  return {
    again: [...new Set([...tasks.map(taskKey), ...left])].filter((key) => wanted.has(key)),
    undo: stands.reverse(),
  };
}

/** It had switched: one that failed before it did has nothing to take back. */
function wasDone({ events }: FoundTask, { id }: Task): boolean {
  return events.some((event) => event.kind === "task" && event.event.task === id && event.event.action === "do" && event.event.state === "done"); // biome-ignore format: one line
}

function takingBack({ by, reason }: TaskAct, found: FoundTask, tasks: readonly Task[]): EventBody[] {
  if (tasks.length === 0) return [];
  const groups = tasks.map((task) => [{ ...task, action: "undo" as const }]);
  const work = [{ host: found.work.host, groups }];
  const step: Step = { id: nextByHand(found), kind: "task", phase: found.step.phase, batch: 0, soakSeconds: 0, work };
  return [{ kind: "step-added", step, by, reason }];
}

function isOurs(
  seen: ObservedComponent | undefined,
  { run, tasks }: { readonly run: string; readonly tasks: readonly Task[] },
): boolean {
  if (seen?.trial?.run !== run || !["trial", "confirmed"].includes(seen.state)) return false;
  return tasks.some(({ kind, component, version }) => kind === "switch" && component === seen.component && version === seen.current); // biome-ignore format: one line
}

async function observe({ controller }: TaskAct, { state, work }: FoundTask): Promise<readonly ObservedComponent[]> {
  const host = state.fleet.find(({ name }) => name === work.host);
  if (host === undefined) throw new Error(`the run does not know how to reach ${work.host}`);
  const seen = await controller.executor.probe(host);
  if (seen.kind === "observed") return seen.components;
  throw new HostUnreachableError(host, seen.message);
}

/** The switch or the confirmation of the batch that a step belongs to. */
function stepOfBatch({ state, step }: FoundTask, kind: Step["kind"]): Step | undefined {
  return step.kind === kind ? step : state.plan?.steps.find((each) => each.kind === kind && each.batch === step.batch);
}

/** Tasks that are those of the switch, though the confirmation failed, open the switch again; what was confirmed has to be confirmed anew. */
function turns(
  { by, reason }: TaskAct,
  found: FoundTask,
  again: readonly string[],
): Extract<EventBody, { kind: "host-reopened" }>[] {
  const { state, step, work } = found;
  const { host } = work;
  const steps = [...new Set([stepOfBatch(found, "switch"), step, stepOfBatch(found, "confirm")])];
  const redo = new Set(again);
  return steps.flatMap((each): Extract<EventBody, { kind: "host-reopened" }>[] => {
    const keys =
      each?.work
        .find((mine) => mine.host === host)
        ?.groups.flat()
        .map(taskKey) ?? [];
    if (each === undefined || keys.length === 0) return [];
    const isLater = each !== step && each.kind === "confirm" && state.hosts.has(placeOf(each.id, host));
    const tasks = isLater ? keys : keys.filter((key) => redo.has(key));
    if (tasks.length === 0 && each !== step) return [];
    if (each.kind === "confirm" && each !== step && !isLater) return [];
    const turn = (state.turns.get(placeOf(each.id, host))?.number ?? 0) + 1;
    return [
      {
        kind: "host-reopened",
        step: each.id,
        host,
        turn,
        ...turnOfLeft(found, { step: each, left: tasks }),
        by,
        reason,
      },
    ];
  });
}
