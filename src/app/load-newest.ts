// The newest published versions of a component with their signed contracts, as far back as anybody looks.
import pMap from "p-map";
import { CutoverError } from "../errors.ts";
import type { Trust } from "../model/trust.ts";
import type { Controller } from "./controller.ts";
import { type LoadedVersion, loadVersion } from "./load-published.ts";

/** As far back as stepping stones are looked for. */
export const newestVersions = 50;
const concurrency = 8;

/** Keyed by `component@version`, newest first. One that cannot be read, or that nobody trusted signed, is passed over. */
export async function loadNewest(
  controller: Pick<Controller, "artifacts" | "signer">,
  {
    component,
    trust,
    loaded = new Map(),
  }: {
    readonly component: string;
    readonly trust: Trust;
    /** What need not be loaded again. */
    readonly loaded?: ReadonlyMap<string, LoadedVersion>;
  },
): Promise<Map<string, LoadedVersion>> {
  const versions = (await controller.artifacts.versions(component)).slice(0, newestVersions);
  const found = await pMap(
    versions,
    async (version) =>
      loaded.get(`${component}@${version}`) ??
      loadVersion(controller, { component, version, trust }).catch((error: unknown) => {
        if (error instanceof CutoverError && error.disposition === "stall") return undefined;
        throw error;
      }),
    { concurrency },
  );
  return new Map(found.flatMap((one) => (one ? [[`${component}@${one.published.version}`, one] as const] : [])));
}
