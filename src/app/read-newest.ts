// The newest commit of the release branch, fetched, verified and resolved; accepts nothing yet.
import { type LoadedDesired, loadDesired } from "../desired/load-desired.ts";
import { CutoverError } from "../errors.ts";
import type { Controller } from "./controller.ts";
import { type ControllerMemory, recall } from "./controller-memory.ts";

export interface NewestInput {
  /** Told before the error is thrown: this very commit cannot be used, now or later. */
  readonly onRefused?: (refusal: {
    readonly commit: string;
    readonly error: CutoverError;
    readonly memory: ControllerMemory;
  }) => Promise<void>;
}

/** Throws what `fetch` and `loadDesired` throw; the last accepted commit stays in force then (F23). */
export async function readNewest(
  controller: Pick<Controller, "journal" | "repository" | "settings">,
  { onRefused }: NewestInput = {},
): Promise<{ readonly memory: ControllerMemory; readonly loaded: LoadedDesired }> {
  const memory = await recall(controller);
  const { acceptedCommit, trust } = memory;
  const { commit } = await controller.repository.fetch();
  try {
    const loaded = await loadDesired(controller.repository, {
      commit,
      directory: controller.settings.directory,
      trust,
      ...(acceptedCommit === undefined ? {} : { accepted: acceptedCommit }),
    });
    return { memory, loaded };
  } catch (error) {
    if (error instanceof CutoverError && error.disposition !== "retry") await onRefused?.({ commit, error, memory });
    throw error;
  }
}
