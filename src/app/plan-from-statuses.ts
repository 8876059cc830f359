// The plan that follows from published statuses alone: for a review before the merge, and to find what an approval agreed to.
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Status } from "../model/status.ts";
import type { UpgradeAtlas } from "../plan/find-way.ts";
import { makePlan } from "../plan/make-plan.ts";
import { rememberFleet } from "../status/remember-fleet.ts";
import type { LoadedVersion } from "./load-published.ts";
import { labelsOf, runsOneOf } from "./release-context.ts";
import { stageRelease } from "./stage-release.ts";

interface StatusPlanInput {
  readonly release: DesiredRelease;
  readonly desired: Pick<Desired, "generation" | "hosts" | "procedure">;
  readonly versions: ReadonlyMap<string, LoadedVersion>;
  /** What stepping stones are looked for by. */
  readonly atlas?: UpgradeAtlas | undefined;
  readonly statuses: readonly Status[];
  /** Components that take traffic away; without them the plan is only good for its hash. */
  readonly balancers?: ReadonlySet<string>;
}

/** The plan that follows when hosts still are as these statuses say. Its hash is that of a live plan when they are. */
export function planFromStatuses({ release, desired, versions, atlas, statuses, balancers }: StatusPlanInput) {
  const hosts = hostsOf(release);
  const beside = balancers === undefined ? [] : balancerHosts(desired, balancers);
  const { observedAt, ...fleet } = rememberFleet(statuses, [...hosts, ...beside]);
  const published = new Map([...versions].map(([key, loaded]) => [key, loaded.published]));
  const { generation, procedure, hosts: all } = desired;
  const staged = stageRelease({ release, published, atlas, ...fleet });
  const known = balancers === undefined ? {} : { fleet: all };
  const plan = makePlan({ ...staged, ...known, generation, procedure, labelsOf: labelsOf(all), published, ...fleet });
  return { plan, staged, hosts, observedAt, published, observations: fleet.observations };
}

/** Hosts of the fleet that take traffic away from those of the release. */
export function balancerHosts({ hosts }: Pick<Desired, "hosts">, balancers: ReadonlySet<string>): string[] {
  return hosts.filter((host) => runsOneOf(host, balancers)).map(({ name }) => name);
}

export function hostsOf({ components }: DesiredRelease): string[] {
  return [...new Set(components.flatMap(({ targets }) => targets.map(({ host }) => host)))];
}
