// The newest commit of the release branch, fetched, verified and resolved; accepts nothing yet.
import { type LoadedDesired, loadDesired } from "../desired/load-desired.ts";
import type { Controller } from "./controller.ts";
import { recall } from "./controller-memory.ts";

/** Throws what `fetch` and `loadDesired` throw; the last accepted commit stays in force then (F23). */
export async function readNewest(
  controller: Pick<Controller, "journal" | "repository" | "settings">,
): Promise<{ readonly acceptedCommit: string | undefined; readonly loaded: LoadedDesired }> {
  const { acceptedCommit, trust } = await recall(controller);
  const { commit } = await controller.repository.fetch();
  const loaded = await loadDesired(controller.repository, {
    commit,
    directory: controller.settings.directory,
    trust,
    ...(acceptedCommit === undefined ? {} : { accepted: acceptedCommit }),
  });
  return { acceptedCommit, loaded };
}
