// One task of a run once more, with what it was given there, in a throw-away root on this machine.
import { stat } from "node:fs/promises";
import { type CapturedTask, replayedActions } from "../../app/replay-task.ts";
import { UsageError } from "../../errors.ts";
import type { TaskAction } from "../../model/task.ts";
import { runTask, type TaskEnd } from "./run-task.ts";
import { type ScratchInput, withScratch } from "./scratch.ts";
import { taskEnvironment } from "./task-environment.ts";
import { plainArgv } from "./trace.ts";
import { treeChanges } from "./tree-state.ts";

export interface ReplayInput extends ScratchInput {
  readonly captured: CapturedTask;
  readonly shell: readonly string[] | undefined;
  readonly dryRun: "dry-run" | undefined;
  readonly signal: AbortSignal;
}

export interface Replayed extends TaskEnd {
  readonly action: TaskAction;
  readonly durationMs: number;
  /** Below the throw-away root, against what stood there before: `changed etc/app.conf`. */
  readonly changes: readonly string[];
}

const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

/** Throws UsageError without the directory that stands for the host. Ends with the first that fails; one result for each action. */
export async function replay({ captured, shell, dryRun, signal, ...input }: ReplayInput): Promise<Replayed[]> {
  const { before } = input;
  if (before !== undefined && !(await isDirectory(before)))
    throw new UsageError(
      `${before} is no directory that could stand for the host`,
      `cutover task replay ${captured.run}/${captured.host}/${captured.contract.name}/${captured.task.name} --before DIR`,
    );
  const { task, contract, version, from = "", host, address, run } = captured;
  const facts = {
    CUTOVER_VERSION: version,
    CUTOVER_FROM: from,
    CUTOVER_HOST: host,
    CUTOVER_ADDRESS: address,
    CUTOVER_RUN: run,
  };
  return await withScratch({ ...input, modes: "as-given" }, async (scratch) => {
    const stood = scratch.look();
    const results: Replayed[] = [];
    for (const action of replayedActions(captured)) {
      const file = action === "do" ? task.do : task.undo;
      if (file === undefined) break;
      const started = performance.now();
      const env = taskEnvironment(
        { component: contract, task: task.name, action, programs: undefined, facts },
        scratch,
      );
      const ended = await runTask({
        argv: plainArgv(`${scratch.bundle}/${file}`, shell),
        env: dryRun === undefined ? env : { ...env, CUTOVER_DRY_RUN: "1" },
        timeoutMs: task.timeoutSeconds * 1_000,
        own: scratch.own,
        signal,
      });
      const durationMs = Math.round(performance.now() - started);
      results.push({ action, ...ended, durationMs, changes: treeChanges(stood, scratch.look()) });
      if (ended.exitCode !== 0) break;
    }
    return results;
  });
}
