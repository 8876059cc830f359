// Versions that hosts run and that nobody asks for any more: what their signed contracts say decides where they may go next.
import pMap from "p-map";
import { CutoverError } from "../errors.ts";
import type { Observation } from "../model/observation.ts";
import type { Trust } from "../model/trust.ts";
import { committedVersions, runningVersions } from "../plan/running-versions.ts";
import type { Controller } from "./controller.ts";
import { type LoadedVersion, loadVersion, type WantedVersion } from "./load-published.ts";

export interface RunningInput {
  readonly controller: Pick<Controller, "artifacts" | "signer">;
  readonly trust: Trust;
  readonly components: Iterable<string>;
  readonly observations: ReadonlyMap<string, Observation>;
  /** Keyed by `component@version`, loaded already. */
  readonly versions: ReadonlyMap<string, LoadedVersion>;
}

export interface LoadedRunning {
  /** With those that were loaded before. */
  readonly versions: ReadonlyMap<string, LoadedVersion>;
  /** Keyed the same: versions that run and cannot be read, and why not. */
  readonly unreadable: ReadonlyMap<string, CutoverError>;
}

/** Hosts name what they run, and none of them makes us look up more than this. */
const mostLookedUp = 100;
const concurrency = 8;

/** Fails for no version: what cannot be read is told apart, for whoever needs it. */
export async function loadRunning(input: RunningInput): Promise<LoadedRunning> {
  const { controller, trust, observations, versions } = input;
  const components = new Set(input.components);
  const named = [runningVersions(observations, components), committedVersions(observations, components)];
  const missing = new Map<string, WantedVersion>();
  for (const running of named)
    for (const [component, found] of running)
      for (const version of found.keys())
        if (!versions.has(`${component}@${version}`)) missing.set(`${component}@${version}`, { component, version });
  const loaded = new Map(versions);
  const unreadable = new Map<string, CutoverError>();
  await pMap(
    [...missing].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, mostLookedUp),
    async ([key, wanted]) => {
      try {
        loaded.set(key, await loadVersion(controller, { ...wanted, trust }));
      } catch (error) {
        if (!(error instanceof CutoverError)) throw error;
        unreadable.set(key, error);
      }
    },
    { concurrency },
  );
  return { versions: loaded, unreadable };
}
