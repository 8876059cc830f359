// An operator's word in an open run: journaled first, then the run goes on with it, under the lease.
import type { EventBody } from "../../model/run-event.ts";
import type { TaskId } from "../../model/task.ts";
import type { Lease } from "../../ports.ts";
import { makeAppender } from "../../run/append.ts";
import { runStream } from "../../run/replay.ts";
import type { Controller } from "../controller.ts";
import { recall } from "../controller-memory.ts";
import { type RunResult, type RunWatcher, resumeRun } from "../execute-run.ts";
import { runSources } from "../release-context.ts";
import type { OperatorAct } from "../run-control.ts";
import { publishRunStatus } from "../run-status.ts";
import type { LoadedRun } from "./find-task.ts";

export interface TaskAct extends OperatorAct {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly watcher: RunWatcher;
  readonly signal: AbortSignal;
}

export type ActedRun = RunResult & {
  /** The one task that was asked for, where the run was to do no more. */
  readonly asked?: TaskId;
  /** Set when the status is true but could not be written to git; the next pass writes it. */
  readonly notPublished?: string;
};

/** Appends what was decided and drives the run until it ends or waits again. */
export async function goOn(
  act: TaskAct,
  { run, events: before }: LoadedRun,
  events: readonly EventBody[],
): Promise<ActedRun> {
  const { controller, lease, watcher } = act;
  const last = before.at(-1)?.sequence ?? 0;
  const appender = makeAppender({ ...controller, stream: runStream(run), last });
  for (const event of await appender.append(...events)) watcher.onEvent(event);
  const { trust } = await recall(controller);
  const result = await resumeRun({ ...act, sources: runSources({ controller, trust }) }, run);
  const notPublished = await publishRunStatus({ controller, lease, run: result });
  return notPublished === undefined ? result : { ...result, notPublished };
}

/** The next free name of a step that an operator adds. */
export function nextByHand({ state }: Pick<LoadedRun, "state">): string {
  return `by-hand.${state.added.length + 1}`;
}
