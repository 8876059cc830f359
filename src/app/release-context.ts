// Everything that planning and running need to know, collected once and then frozen (R65).
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Host } from "../model/fleet.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { Trust } from "../model/trust.ts";
import { observeFleet } from "../observed/observe-fleet.ts";
import { once } from "../package/once.ts";
import { balancersOf } from "../plan/balancer-steps.ts";
import type { UpgradeAtlas } from "../plan/find-way.ts";
import { makePlan } from "../plan/make-plan.ts";
import type { LabelsOf } from "../plan/phases-of-changes.ts";
import { tiedComponents } from "../plan/tied-components.ts";
import { refuseLargeBatches } from "./beside-open-runs.ts";
import { refuseMissingManagers } from "./check-managers.ts";
import { refuseBrokenNeedsOnTheWay } from "./check-needs.ts";
import { refuseUnsafeOrder } from "./check-order.ts";
import { refuseMissingPaths } from "./check-paths.ts";
import { refuseRootsOutside } from "./check-roots.ts";
import type { Controller } from "./controller.ts";
import { type QuarantineEntry, recall } from "./controller-memory.ts";
import { withLastKnown } from "./last-known.ts";
import { loadAtlas } from "./load-atlas.ts";
import { type LoadedVersion, loadPublished, loadVersion, type WantedVersion } from "./load-published.ts";
import { type LoadedRunning, loadRunning } from "./load-running.ts";
import type { RunSources } from "./make-deliveries.ts";
import { stageRelease } from "./stage-release.ts";
import { recentRefusals, withTransfers } from "./with-transfers.ts";

export interface Snapshot {
  /** Wanted ones, and those that hosts run as far as they can be read. */
  readonly versions: ReadonlyMap<string, LoadedVersion>;
  /** Versions that hosts run and that cannot be read, and why not. */
  readonly unreadable: LoadedRunning["unreadable"];
  /** What stepping stones are looked for by; absent where everything may be reached directly. */
  readonly atlas?: UpgradeAtlas;
  readonly observations: ReadonlyMap<string, Observation>;
}

interface SnapshotInput {
  readonly controller: Controller;
  readonly trust: Trust;
  readonly wanted: readonly WantedVersion[];
  /** Hosts that are asked what they run; beside them those of `fleet` that take traffic away from them. */
  readonly hosts: readonly Host[];
  readonly fleet: readonly Host[];
}

export async function takeSnapshot({ controller, trust, wanted, hosts, fleet }: SnapshotInput): Promise<Snapshot> {
  const versions = await loadPublished(controller, wanted, trust);
  const balancers = balancersOf([...versions.values()].map(({ published }) => published));
  const asked = new Set([...hosts, ...fleet.filter((host) => runsOneOf(host, balancers))]);
  const observations = await observeFleet({
    ...controller,
    hosts: [...asked],
    concurrency: controller.settings.concurrency,
  });
  const components = [...wanted.map(({ component }) => component), ...balancers];
  return { ...(await loadRunning({ controller, trust, components, observations, versions })), observations };
}

export function runsOneOf(host: Pick<Host, "components">, components: ReadonlySet<string>): boolean {
  return host.components.some((component) => components.has(component));
}

const nothingKnown: Snapshot = { versions: new Map(), unreadable: new Map(), observations: new Map() };

/** What a run sends, from the snapshot it was planned from; without one, loaded and asked when it is first needed. */
export function runSources(
  { controller, trust }: Pick<SnapshotInput, "controller" | "trust">,
  snapshot: Snapshot = nothingKnown,
): RunSources {
  const asked = new Map<string, Promise<Observation>>();
  const loaded = new Map<string, Promise<LoadedVersion>>();
  const ask = async (host: Host): Promise<Observation> => {
    const observations = await observeFleet({ ...controller, hosts: [host], concurrency: 1 });
    const observation = observations.get(host.name);
    if (observation === undefined) throw new Error(`${host.name} was observed without a result`);
    // A host that did not answer is asked again with the next try.
    if (observation.kind === "unreachable") asked.delete(host.name);
    return observation;
  };
  return {
    trust,
    async versionOf({ component, version }) {
      const key = `${component}@${version}`;
      const load = () => loadVersion(controller, { component, version, trust });
      return snapshot.versions.get(key) ?? once(loaded, { key, keep: "for-good" }, load);
    },
    async observationOf(host) {
      const known = snapshot.observations.get(host.name) ?? asked.get(host.name);
      if (known !== undefined) return known;
      const answer = ask(host);
      asked.set(host.name, answer);
      return answer;
    },
  };
}

/** The versions a release asks for, and the hosts it asks them of; for those that do not answer, what was known last. */
export async function contextForRelease({
  release,
  hosts,
  commit,
  ...rest
}: Pick<SnapshotInput, "controller" | "trust" | "hosts"> & {
  readonly release: DesiredRelease;
  /** Its notes and those before it are asked where our journal is silent. */
  readonly commit: string;
}): Promise<Snapshot> {
  const wanted = release.components.flatMap(({ name, targets }) =>
    targets.map(({ host, version }) => ({ host, component: name, version })),
  );
  const names = new Set(wanted.map(({ host }) => host));
  const asked = hosts.filter(({ name }) => names.has(name));
  const snapshot = await takeSnapshot({ ...rest, wanted, hosts: asked, fleet: hosts });
  const { controllerKeys } = rest.trust;
  const known = { release: release.name, observations: snapshot.observations, commit, controllerKeys };
  const observations = await withLastKnown(rest.controller, known);
  const components = release.components.map(({ name }) => name);
  const running = await loadRunning({ ...rest, components, observations, versions: snapshot.versions });
  const { versions, atlas } = await loadAtlas({
    ...{ ...rest, release, observations, versions: running.versions },
    now: rest.controller.clock.now(),
  });
  return { versions, unreadable: running.unreadable, atlas, observations };
}

/** Another version may have the same tree, and be held by it: which one was shown to be bad, how that is lifted, and what was seen. */
function quarantineText({ component, version, reason, evidence }: QuarantineEntry): string {
  return `this tree was shown to be bad as ${version} (${reason}); cutover retry ${component} lifts that: ${evidence}`;
}

/** What phases of a Procedure choose hosts by. */
export function labelsOf(hosts: readonly Pick<Host, "name" | "labels">[]): LabelsOf {
  const labels = new Map(hosts.map((host) => [host.name, host.labels]));
  return (host) => labels.get(host) ?? {};
}

interface PlanRequest {
  readonly context: Snapshot;
  readonly release: DesiredRelease;
  /** With its releases, needs between components are checked; a way back is not held up by them. */
  readonly desired: Pick<Desired, "hosts" | "generation"> & Partial<Pick<Desired, "releases" | "procedure" | "limits">>;
  /** `component@tree` of quarantines that this plan passes over: the way back from a version leads through its own tree. */
  readonly passingOver?: ReadonlySet<string>;
  /** Places where open runs bring just what is wanted, keyed by `host/component`, and a sentence that says so. */
  readonly claimed?: ReadonlyMap<string, string>;
  /** No host is taken out of traffic before it switches: a person said so. */
  readonly inTraffic?: boolean | undefined;
}

export async function planRelease(
  controller: Controller,
  { context, release: wanted, desired, passingOver, claimed, inTraffic = false }: PlanRequest,
): Promise<Plan> {
  const { observations, versions, unreadable } = context;
  const published = new Map([...versions].map(([key, version]) => [key, version.published]));
  const { releases } = desired;
  const memory = await recall(controller);
  const fleetHold = memory.holds.get("*");
  const holds = fleetHold === undefined ? memory.holds : new Map(desired.hosts.map(({ name }) => [name, fleetHold]));
  const quarantined = new Map(
    [...memory.quarantined]
      .filter(([key]) => !passingOver?.has(key))
      .map(([key, entry]) => [key, quarantineText(entry)]),
  );
  const isWayBack = releases === undefined;
  // A way back leads to what ran before, whatever way led from there.
  const staged = isWayBack
    ? { release: wanted, paths: [] }
    : stageRelease({ ...context, release: wanted, published, quarantined });
  const { release, paths } = staged;
  refuseMissingPaths(release.name, paths);
  if (!isWayBack) refuseBrokenNeedsOnTheWay({ wanted, release, releases, published, observations });
  const plan = makePlan({
    release,
    paths,
    generation: desired.generation,
    ...(desired.procedure === undefined ? {} : { procedure: desired.procedure, labelsOf: labelsOf(desired.hosts) }),
    observations,
    published,
    ...(inTraffic ? {} : { fleet: desired.hosts }),
    holds,
    ...(claimed === undefined ? {} : { claimed }),
    quarantined,
  });
  if (!isWayBack) refuseRootsOutside({ plan, observations, published });
  if (!isWayBack) refuseMissingManagers({ plan, observations, published });
  const { limits = [], hosts } = desired;
  if (!isWayBack) refuseLargeBatches(plan, { limits, labelsOf: labelsOf(hosts) });
  await refuseUnsafeOrder(controller, {
    plan,
    release,
    observations,
    published,
    unreadable,
    isWayBack,
    trust: memory.trust,
  });
  const { trust, versionOf } = runSources({ controller, trust: memory.trust }, context);
  const refusals = await recentRefusals(controller.journal);
  const tied = isWayBack
    ? []
    : tiedComponents({ plan, components: release.components, observations, known: published });
  return withTransfers(tied.length === 0 ? plan : { ...plan, tied }, {
    controller,
    trust,
    versionOf,
    observations,
    refusals,
  });
}
