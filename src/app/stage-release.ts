// What the next plan asks for: a release as the documents say it, with stepping stones where the way leads over some. Pure.
import { isWithin } from "../desired/ranges.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import { emptyAtlas, makeFindWay, type UpgradeAtlas } from "../plan/find-way.ts";
import { type TakenPaths, takePaths } from "../plan/take-paths.ts";

export interface StageInput {
  readonly release: DesiredRelease;
  readonly observations: ReadonlyMap<string, Observation>;
  /** Keyed by `component@version`. */
  readonly published: ReadonlyMap<string, PublishedVersion>;
  readonly atlas?: UpgradeAtlas | undefined;
  /** Keyed by `component@tree`. */
  readonly quarantined: ReadonlyMap<string, unknown>;
}

/** The same for the same hosts, whether they are asked or remembered. */
export function stageRelease({ atlas = emptyAtlas, ...input }: StageInput): TakenPaths {
  return takePaths({ ...input, wayOf: makeFindWay({ ...input, atlas, takes: isWithin }) });
}
