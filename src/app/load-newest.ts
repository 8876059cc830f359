// The newest published versions of a component with their signed contracts, as far back as anybody looks.
import pMap from "p-map";
import { CutoverError } from "../errors.ts";
import type { Trust } from "../model/trust.ts";
import type { Controller } from "./controller.ts";
import { type LoadedVersion, loadVersion } from "./load-published.ts";

/** As far back as stepping stones are looked for. */
export const newestVersions = 50;
const concurrency = 8;

export interface NewestVersions {
  /** Keyed by `component@version`, newest first. */
  readonly newest: ReadonlyMap<string, LoadedVersion>;
  /** False when there are older ones. */
  readonly isAll: boolean;
}

/** One that cannot be read, or that nobody trusted signed, is passed over. */
export async function loadNewest(
  controller: Pick<Controller, "artifacts" | "signer">,
  {
    component,
    trust,
    loaded = new Map(),
    named = [],
  }: {
    readonly component: string;
    readonly trust: Trust;
    /** What need not be loaded again. */
    readonly loaded?: ReadonlyMap<string, LoadedVersion>;
    /** Versions besides, however old. */
    readonly named?: readonly string[];
  },
): Promise<NewestVersions> {
  const all = await controller.artifacts.versions(component);
  const found = await pMap(
    new Set([...all.slice(0, newestVersions), ...named]),
    async (version) =>
      loaded.get(`${component}@${version}`) ??
      loadVersion(controller, { component, version, trust }).catch((error: unknown) => {
        if (error instanceof CutoverError && error.disposition === "stall") return undefined;
        throw error;
      }),
    { concurrency },
  );
  const newest = new Map(
    found.flatMap((one) => (one ? [[`${component}@${one.published.version}`, one] as const] : [])),
  );
  return { newest, isAll: all.length <= newestVersions };
}
