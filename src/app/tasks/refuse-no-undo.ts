// Whether a task of the bundle can be taken back at all: only its signed contract says so. A host that is asked all the same does
// nothing and says done, and the run would wait for a task that nobody took back.
import { CutoverError, RefusedError } from "../../errors.ts";
import { parseReleaseMetadata } from "../../package/release-metadata.ts";
import type { Controller } from "../controller.ts";
import { recall } from "../controller-memory.ts";
import { type LoadedVersion, loadVersion } from "../load-published.ts";
import type { FoundTask } from "./find-task.ts";

/** Throws `nothing-to-undo` for a hook without an undo; `undo-unknown` where its version cannot be looked at. */
export async function refuseNoUndo(controller: Controller, found: FoundTask): Promise<void> {
  const { task } = found;
  if (task.kind !== "hook") return;
  const loaded = await versionOf(controller, found);
  const undo = undoOf(found, loaded);
  if (undo === undefined) throw withoutUndo(found);
  if (cameSince(found, loaded, undo)) throw undoCameSince(found);
}

/** The same as a question. Throws `undo-unknown`. */
export async function hasUndo(controller: Controller, found: FoundTask): Promise<boolean> {
  const loaded = await versionOf(controller, found);
  const undo = undoOf(found, loaded);
  return undo !== undefined && !cameSince(found, loaded, undo);
}

function undoOf(found: FoundTask, { release }: LoadedVersion): string | undefined {
  const name = hookName(found);
  return parseReleaseMetadata(release.metadata).contract.tasks.find((each) => each.name === name)?.undo;
}

function hookName({ task }: FoundTask): string {
  return task.options.name ?? task.id.split("/")[2] ?? "";
}

async function versionOf(controller: Controller, { run, task, state }: FoundTask): Promise<LoadedVersion> {
  const { component, version } = task;
  const { trust } = await recall(controller);
  try {
    return await loadVersion(controller, { component, version, trust });
  } catch (error) {
    if (!(error instanceof CutoverError)) throw error;
    const remedy = error.remedy === undefined ? "" : `${error.remedy}; then the same command again, or `;
    throw new CutoverError({
      code: "undo-unknown",
      message: `Nobody can tell whether ${task.id} has an undo: ${component} ${version} cannot be looked at`,
      evidence: error.evidence === undefined ? error.message : `${error.message}: ${error.evidence}`,
      impact: `Nothing was changed; run ${run} stays as it is`,
      remedy: `${remedy}cutover rollback ${state.plan?.release ?? ""} --reason …`,
      cause: error,
    });
  }
}

/** The version was published again with it, and the run still has the bundle from before. */
function cameSince({ state, task }: FoundTask, { published }: LoadedVersion, undo: string): boolean {
  const key = `${task.component}@${task.version}`;
  const planned = state.plan?.contracts?.[key];
  const files = state.plan?.bundles?.[key];
  return planned !== undefined && planned !== published.contract && files !== undefined && files[undo] === undefined;
}

function withoutUndo(found: FoundTask): CutoverError {
  const { run, state, task } = found;
  const { id, component, version } = task;
  const isDone = state.tasks.get(id)?.state === "done";
  return new CutoverError({
    code: "nothing-to-undo",
    message: `There is nothing to undo: ${hookName(found)} of ${component} ${version} has no undo`,
    impact: "Nothing was changed",
    remedy: isDone
      ? `cutover rollback ${state.plan?.release ?? ""} --reason …, which takes the whole release back`
      : `cutover task retry ${run}/${id} --reason …, or cutover task skip ${run}/${id} --key FILE --reason …`,
  });
}

function undoCameSince({ run, task }: FoundTask): RefusedError {
  const { id, component, version } = task;
  return new RefusedError({
    code: "version-changed",
    message: `${id} has an undo since ${component} ${version} was published again, and run ${run} has the bundle from before`,
    impact: "Nothing was changed",
    remedy: `cutover task retry ${run}/${id} --amend --reason …, which takes the new bundle into the run`,
  });
}
