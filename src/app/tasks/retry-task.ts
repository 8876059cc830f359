// `cutover task retry`: a host goes through what is left of a step, from the task that failed or was taken back on. What is
// done stays done; a mended task bundle amends the run (R31).
import { CutoverError, HostUnreachableError } from "../../errors.ts";
import type { ObservedComponent } from "../../model/observation.ts";
import type { Step } from "../../model/plan.ts";
import type { EventBody } from "../../model/run-event.ts";
import type { Task } from "../../model/task.ts";
import { leftOfStep } from "../../run/left-of-step.ts";
import { placeOf, taskKey } from "../../run/run-state.ts";
import type { TaskAct, TaskDecision } from "./act-in-run.ts";
import { amendment } from "./amend-run.ts";
import { type AskedTask, type FoundTask, findTask, refuseEnded } from "./find-task.ts";

export type RetryAct = TaskAct & {
  /** Goes on with a task bundle that was published since. */
  readonly amend: boolean;
};

/** Throws `nothing-to-retry`, `version-changed` when a bundle was published since and `amend` is not set. */
export async function retryTask(act: RetryAct, asked: AskedTask): Promise<TaskDecision> {
  const found = await findTask(act.controller.journal, asked);
  refuseEnded(found, "tried again");
  const left = leftOfStep({ events: found.events, step: found.step.id, work: found.work });
  refuseDone(found, left);
  const amended = await amendment(act, found);
  const again = await withSwitch(act, found, left);
  return { found, events: [...amended, ...turns(act, found, again)] };
}

function refuseDone({ run, step, task, state }: FoundTask, left: readonly string[]): void {
  const place = placeOf(step.id, task.host);
  const outcome = state.hosts.get(place);
  const why =
    outcome === undefined
      ? state.startedSteps.has(step.id)
        ? `${task.host} is still at work on ${step.id}`
        : `its step ${step.id} has not begun`
      : left.includes(taskKey(task))
        ? undefined
        : "it is done; take it back first";
  if (why === undefined) return;
  throw new CutoverError({
    code: "nothing-to-retry",
    message: `${task.id} cannot be tried again: ${why}`,
    impact: "Nothing was changed",
    remedy: outcome === undefined ? "cutover reconcile --once" : `cutover task undo ${run}/${task.id} --reason …`,
  });
}

/** What a host took back by itself meanwhile, at its deadline, has to be switched again, with all that follows a switch. */
async function withSwitch(act: TaskAct, found: FoundTask, left: readonly string[]): Promise<string[]> {
  const { work, run, step } = found;
  if (step.kind !== "switch" && step.kind !== "confirm") return [...left];
  const switching = stepOfBatch(found, "switch");
  const tasks = switching?.work.find(({ host }) => host === work.host)?.groups.flat() ?? [];
  const moved = new Set(tasks.filter((task) => task.kind === "switch" && !left.includes(taskKey(task))).map(({ component }) => component)); // biome-ignore format: one line
  if (moved.size === 0) return [...left];
  const seen = await observe(act, found);
  const lost = new Set(
    [...moved].filter(
      (component) =>
        !isOurs(
          seen.find((each) => each.component === component),
          { run, tasks },
        ),
    ),
  );
  const wanted = new Set(left);
  for (const component of lost) {
    const own = tasks.filter((task) => task.component === component);
    const from = own.findIndex(({ kind }) => kind === "switch");
    for (const task of own.slice(from)) wanted.add(taskKey(task));
  }
  return [...new Set([...tasks.map(taskKey), ...left])].filter((key) => wanted.has(key));
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
function turns({ by, reason }: TaskAct, found: FoundTask, again: readonly string[]): EventBody[] {
  const { state, step, work } = found;
  const { host } = work;
  const steps = [...new Set([stepOfBatch(found, "switch"), step, stepOfBatch(found, "confirm")])];
  const redo = new Set(again);
  return steps.flatMap((each): EventBody[] => {
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
    return [{ kind: "host-reopened", step: each.id, host, turn, tasks, rest: [], by, reason }];
  });
}
