// `cutover task skip`: the run goes on without a task. It needs a person whom the Trust names, by signature: what is skipped
// was reviewed, and nobody will do it later.
import { CutoverError, RefusedError } from "../../errors.ts";
import type { RunId } from "../../model/run-event.ts";
import type { TaskId, TaskKind } from "../../model/task.ts";
import { leftOfStep } from "../../run/by-hand.ts";
import { reduce } from "../../run/machine.ts";
import { isOwedToSwitch } from "../../run/spent-backup.ts";
import { isStepped, tryAgain } from "../../run/try-again.ts";
import { recall } from "../controller-memory.ts";
import { observeHost, type TaskAct, type TaskDecision } from "./act-in-run.ts";
import { type AskedTask, type FoundTask, findTask, refuseAtWork, refuseEnded } from "./find-task.ts";
import { hasUndo } from "./refuse-no-undo.ts";

export const actNamespace = "cutover-act";

export type SkipAct = Omit<TaskAct, "by"> & {
  /** Private key of a commit signer. */
  readonly keyPath: string;
};

/** Without these a version would run that nobody built, checked, armed or confirmed. */
const neverSkipped: readonly TaskKind[] = ["distribute", "build", "check", "switch", "confirm", "commit"];

/** Throws RefusedError `not-to-be-skipped`, `signer-not-trusted`; CutoverError `nothing-to-skip`. */
export async function skipTask(act: SkipAct, asked: AskedTask): Promise<TaskDecision> {
  const { controller, keyPath, reason } = act;
  const found = await findTask(controller.journal, asked);
  refuseEnded(found, "skipped");
  refuseAtWork(found);
  refuseSkip(found);
  const { run, events, step, work, task, state } = found;
  const statement = skipStatement({ run, task: task.id, reason });
  const signature = await controller.signer.sign({ keyPath, namespace: actNamespace, data: statement });
  const by = await signerOf(act, { statement, signature });
  const skipped = { kind: "task-skipped", task: task.id, by, reason, signature } as const;
  const { undo, turns } = await tryAgain({
    ...{ run, state: reduce(state, skipped, run), events, step, host: work.host, by, reason },
    observe: () => observeHost(act, found),
    hasUndo: (each) => hasUndo(controller, { ...found, task: each }),
  });
  // A step that has not reached this host yet is handed over without the task; its turn is opened all the same.
  return { found, events: [skipped, ...undo, ...turns], pace: isStepped(found) ? "none" : "run" };
}

/** What is signed, word for word. */
export function skipStatement(skip: { readonly run: RunId; readonly task: TaskId; readonly reason: string }): string {
  return `cutover-skip/1\nrun ${skip.run}\ntask ${skip.task}\nreason ${encodeURIComponent(skip.reason)}\n`;
}

function refuseSkip(found: FoundTask): void {
  const { run, step, task, state } = found;
  if (neverSkipped.includes(task.kind))
    throw new RefusedError({
      code: "not-to-be-skipped",
      message: `${task.kind} is never skipped: the promises of the run rest on it`,
      impact: "Nothing was changed",
      remedy: `cutover hold ${task.host} --reason …, or cutover rollback --reason …`,
    });
  const isLeft = leftOfStep(state, step, task.host).some((key) => key.startsWith(`${task.id} `));
  // P4: what was put back once, or is older than what was written since, is no way back for another trial.
  if (isLeft && isOwedToSwitch(found, task))
    throw new RefusedError({
      code: "not-to-be-skipped",
      message: `What ${task.id} saved is old, or was put back: ${task.component} on ${task.host} switches nothing before it is saved anew`,
      impact: "Nothing was changed",
      remedy: `cutover task retry ${run}/${task.id} --reason …, cutover hold ${task.host} --reason …, or cutover rollback --reason …`,
    });
  if (state.skipped.has(task.id) || isLeft) return;
  throw new CutoverError({
    code: "nothing-to-skip",
    message: `${task.id} is done`,
    impact: "Nothing was changed",
    remedy: `cutover task list ${run}`,
  });
}

/** The commit signer in force whose key this is. */
async function signerOf(
  { controller, keyPath }: SkipAct,
  { statement, signature }: { readonly statement: string; readonly signature: string },
): Promise<string> {
  const { trust } = await recall(controller);
  const { keys } = await controller.signer.verify({
    allowedKeys: trust.commitSigners.map(({ publicKey }) => publicKey),
    namespace: actNamespace,
    data: statement,
    signatures: signature,
  });
  const found = trust.commitSigners.find(({ publicKey }) => keys.includes(publicKey));
  if (found !== undefined) return found.name;
  throw new RefusedError({
    code: "signer-not-trusted",
    message: `${keyPath} is not the key of an operator or admin`,
    evidence: `the Trust in force names ${trust.commitSigners.map(({ name, roles }) => `${name} (${roles.join(", ")})`).join(", ")}`,
    impact: "Nothing was changed",
    remedy: "Use the key of one of them: --key FILE",
  });
}
