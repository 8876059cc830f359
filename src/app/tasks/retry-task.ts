// `cutover task retry`: a host goes through what is left of a step, from the task that failed or was taken back on. What is
// done stays done; a mended task bundle amends the run (R31).
import { CutoverError } from "../../errors.ts";
import type { Step } from "../../model/plan.ts";
import { lastingKinds, leftOfStep } from "../../run/by-hand.ts";
import type { RunState } from "../../run/run-state.ts";
import { isOwedToSwitch } from "../../run/spent-backup.ts";
import { isStepped, tryAgain } from "../../run/try-again.ts";
import { observeHost, type TaskAct, type TaskDecision } from "./act-in-run.ts";
import { amendment } from "./amend-run.ts";
import { type AskedTask, type FoundTask, findTask, refuseAtWork, refuseEnded } from "./find-task.ts";
import { hasUndo } from "./refuse-no-undo.ts";

export type RetryAct = TaskAct & {
  /** Goes on with a task bundle that was published since. */
  readonly amend: boolean;
};

/** Throws `nothing-to-retry`, `task-at-work`; `version-changed` when a bundle was published since and `amend` is not set. */
export async function retryTask(act: RetryAct, asked: AskedTask): Promise<TaskDecision> {
  const found = await findTask(act.controller.journal, asked);
  refuseEnded(found, "tried again");
  refuseAtWork(found);
  const left = leftOfStep(found.state, found.step, found.work.host);
  refuseDone(found, left);
  const amended = await amendment(act, found);
  const { run, state, step, work } = found;
  const { by, reason } = act;
  const observe = () => observeHost(act, found);
  const { undo, turns } = await tryAgain({
    run,
    state,
    events: found.events,
    step,
    host: work.host,
    observe,
    hasUndo: (task) => hasUndo(act.controller, { ...found, task }),
    by,
    reason,
  });
  // A host that gets the mended bundle goes through bytes and build whole.
  const brought = new Set(
    amended.flatMap((event) => (event.kind === "host-reopened" ? [`${event.step} ${event.host}`] : [])),
  );
  const reopened = turns.filter((event) => !brought.has(`${event.step} ${event.host}`));
  const events = [...undo, ...amended, ...reopened];
  return isStepped(found) ? { found, events, pace: "one-task", upTo: found.task.id } : { found, events };
}

export function refuseDone(found: FoundTask, left: readonly string[]): void {
  const { run, step, task, state } = found;
  const moved = step.kind === "restore-point" ? firstMoved(state, step) : undefined;
  const why = whyNot({ step, task, state }, { left, moved });
  if (why === undefined) return;
  throw new CutoverError({
    code: "nothing-to-retry",
    message: `${task.id} cannot be tried again: ${why}`,
    impact: "Nothing was changed",
    remedy:
      moved === undefined
        ? nextFor(found, why)
        : `cutover ${isOwedToSwitch(found, task) ? `hold ${task.host}` : `task skip ${run}/${task.id}`} --reason …, or cutover rollback --reason …`,
  });
}

const isDone = "it is done; take it back first";

function nextFor({ run, task }: FoundTask, why: string): string {
  return why === isDone && lastingKinds.includes(task.kind)
    ? `cutover task undo ${run}/${task.id} --reason …`
    : `cutover task show ${run}/${task.id}`;
}

function whyNot(
  { step, task, state }: Pick<FoundTask, "step" | "task" | "state">,
  { left, moved }: { readonly left: readonly string[]; readonly moved: string | undefined },
): string | undefined {
  const [first = ""] = left;
  const isMine = (key: string) => key.startsWith(`${task.id} `);
  if (state.leftOut.has(task.host)) return `the run goes on without ${task.host}, and the next one takes it up`;
  if (!state.startedSteps.has(step.id)) return `its step ${step.id} has not begun`;
  if (state.skipped.has(task.id)) return "it is skipped in this run";
  if (!left.some(isMine)) return isDone;
  if (moved !== undefined) return `the restore point is taken whole, and ${moved} has begun: it would save what that has changed`; // biome-ignore format: one line
  // Whoever steps through asks for one task, and not for all that comes before it (P12).
  const isTried = isMine(first) || state.missing.has(task.id) || (state.told.get(task.id) ?? []).some((word) => word.step === step.id); // biome-ignore format: one line
  return isStepped({ state }) && !isTried ? `it has not been tried yet, and ${first} comes before it` : undefined;
}

/** Steps that change what hosts run or hold. */
const movingKinds: readonly Step["kind"][] = ["task", "switch"];

/** The first step after this one that has begun to change something. */
function firstMoved({ plan, startedSteps }: RunState, { id }: Step): string | undefined {
  const steps = plan?.steps ?? [];
  const later = steps.slice(steps.findIndex((step) => step.id === id) + 1);
  return later.find((step) => movingKinds.includes(step.kind) && startedSteps.has(step.id))?.id;
}
