// An operator's word in an open run: journaled first, then the run goes on with it, under the lease.
import { CutoverError, HostUnreachableError } from "../../errors.ts";
import type { ObservedComponent } from "../../model/observation.ts";
import type { TaskGroup } from "../../model/plan.ts";
import type { EventBody, JournalEvent } from "../../model/run-event.ts";
import type { Task, TaskId } from "../../model/task.ts";
import { makeTask } from "../../plan/host-tasks.ts";
import type { Lease } from "../../ports.ts";
import { makeAppender } from "../../run/append.ts";
import type { Pace } from "../../run/pace.ts";
import { replayRun, runStream } from "../../run/replay.ts";
import type { Controller } from "../controller.ts";
import { recall } from "../controller-memory.ts";
import { type RunResult, type RunWatcher, resultOf, resumeRun } from "../execute-run.ts";
import { runSources } from "../release-context.ts";
import { refuseRunAtWork } from "../run-at-work.ts";
import type { OperatorAct } from "../run-control.ts";
import { publishRunStatus } from "../run-status.ts";
import { besideInJournal } from "../standing-runs.ts";
import type { FoundTask, LoadedRun } from "./find-task.ts";

export interface TaskAct extends OperatorAct {
  readonly controller: Controller;
}

/** What is to be said in a run, and nothing said yet: reads only. */
export interface TaskDecision {
  readonly found: LoadedRun;
  readonly events: readonly EventBody[];
  /** `step/host` of the one step that was asked for, where the run is to do no more. */
  readonly asked?: string;
  /** How far the run goes with it; `none`: nothing is driven. To its end, or until it waits, unless said otherwise. */
  readonly pace?: Pace | "none";
  /** With `one-task`: until this one has ended. */
  readonly upTo?: TaskId;
}

export interface Going {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly watcher: RunWatcher;
  readonly signal: AbortSignal;
}

export type ActedRun = RunResult &
  Pick<TaskDecision, "asked"> & {
    /** Set when the status is true but could not be written to git; the next pass writes it. */
    readonly notPublished?: string;
  };

/** Appends what was decided and drives the run as far as that goes: until it ends or waits again, if nothing else is said. */
export async function goOn(going: Going, decision: TaskDecision): Promise<ActedRun> {
  const { controller, lease, watcher } = going;
  for (const event of await say(controller, decision)) watcher.onEvent(event);
  const result = await driveOn(going, decision);
  const notPublished = await publishRunStatus({ controller, lease, run: result });
  const { asked } = decision;
  return {
    ...result,
    ...(asked === undefined ? {} : { asked }),
    ...(notPublished === undefined ? {} : { notPublished }),
  };
}

async function driveOn(going: Going, { found: { run }, pace = "run", upTo }: TaskDecision): Promise<RunResult> {
  const { controller } = going;
  if (pace === "none") return resultOf(run, (await replayRun(controller.journal, run)).state);
  const { trust } = await recall(controller);
  const sources = runSources({ controller, trust });
  // Nobody drives the others meanwhile.
  const others = (await besideInJournal(controller.journal)).besideOf(run);
  return resumeRun({ ...going, sources, beside: () => others, pace, ...(upTo === undefined ? {} : { upTo }) }, run);
}

/**
 * The same beside a process that works: it goes on with the run by itself. Throws `run-at-work` unless the run waits for a person, or
 * for their next step, and for nothing else: nobody may write into a journal that is being written. Throws `run-stepped` for what only a step would do.
 */
export async function sayBeside(controller: Controller, decision: TaskDecision): Promise<void> {
  const { run } = decision.found;
  refuseRunAtWork(decision.found);
  if (decision.pace === "one-task")
    throw new CutoverError({
      code: "run-stepped",
      message: `Somebody steps through run ${run}, and the running cutover serve leaves what is tried again to them`,
      impact: "Nothing was changed",
      remedy: "stop cutover serve, then the same command, and cutover step, or cutover reconcile --once for the rest",
    });
  await say(controller, decision);
}

async function say(controller: Controller, { found, events }: TaskDecision): Promise<readonly JournalEvent[]> {
  const last = found.events.at(-1)?.sequence ?? 0;
  return makeAppender({ ...controller, stream: runStream(found.run), last }).append(...events);
}

/** What was published last, also where the host has the version already: it is the script of that which is meant. */
export function bringing({ host, component, version: to }: Pick<Task, "host" | "component" | "version">): TaskGroup[] {
  const place = { host, component, to };
  return [[makeTask(place, "distribute")], [makeTask(place, "build")]];
}

/** Throws HostUnreachableError: what a host does not say now is not decided about. */
export async function observeHost(
  { controller }: Pick<TaskAct, "controller">,
  { state, work }: Pick<FoundTask, "state" | "work">,
): Promise<readonly ObservedComponent[]> {
  const host = state.fleet.find(({ name }) => name === work.host);
  if (host === undefined) throw new Error(`the run does not know how to reach ${work.host}`);
  const seen = await controller.executor.probe(host);
  if (seen.kind === "observed") return seen.components;
  throw new HostUnreachableError(host, seen.message);
}
