// Which versions run where, and how that moves on along a plan. Pure.
import type { HostVersionState, LastKnownComponent, Observation, ObservedComponent } from "../model/observation.ts";
import type { Plan, PlannedChange, Step } from "../model/plan.ts";

/** By component, then version: the hosts that run it. A host on trial stands in both versions, as it may go back by itself. */
export type RunningVersions = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;
export type MovingVersions = Map<string, Map<string, Set<string>>>;

const unfinished: ReadonlySet<HostVersionState> = new Set(["trial", "confirmed", "reverting"]);

/** Of these components. A host that does not answer runs what was last known of it. */
export function runningVersions(
  observations: ReadonlyMap<string, Observation>,
  components: ReadonlySet<string>,
): MovingVersions {
  const running: MovingVersions = new Map([...components].map((name) => [name, new Map()]));
  for (const [host, observation] of observations) {
    const known = observation.kind === "observed" ? observation.components : observation.lastKnown?.components;
    for (const seen of known ?? [])
      if (components.has(seen.component))
        for (const version of versionsOf(seen)) addVersion(running, { component: seen.component, version, host });
  }
  return running;
}

/** What runs before a plan moves anything, or while it does: a place that another run works on is on either side of it. */
export function versionsBefore({
  plan: { waiting, held },
  observations,
  components,
}: {
  readonly plan: Pick<Plan, "waiting" | "held">;
  readonly observations: ReadonlyMap<string, Observation>;
  readonly components: ReadonlySet<string>;
}): RunningVersions {
  const running = runningVersions(observations, components);
  const claimed = new Set(
    held.flatMap(({ host, component, reason }) => (reason === "claimed" ? `${host}/${component}` : [])),
  );
  for (const { host, component, to } of waiting)
    if (claimed.has(`${host}/${component}`) && components.has(component))
      addVersion(running, { component, version: to, host });
  return running;
}

/** Of these components, what was committed last: where a drifted host belongs. */
export function committedVersions(
  observations: ReadonlyMap<string, Observation>,
  components: ReadonlySet<string>,
): RunningVersions {
  const committed: MovingVersions = new Map();
  for (const [host, observation] of observations) {
    const known = observation.kind === "observed" ? observation.components : observation.lastKnown?.components;
    for (const { component, committed: version } of known ?? [])
      if (components.has(component) && version !== undefined) addVersion(committed, { component, version, host });
  }
  return committed;
}

function versionsOf(seen: LastKnownComponent | ObservedComponent): string[] {
  // Of a silent host nobody knows whether what it tried was taken back since.
  if (!("state" in seen)) return [seen.current, seen.committed].flatMap((version) => version ?? []);
  const isOpen = unfinished.has(seen.state);
  return [seen.current, ...(isOpen ? [seen.committed, seen.trial?.from] : [])].flatMap((version) => version ?? []);
}

export interface VersionPlace {
  readonly component: string;
  readonly version: string;
  readonly host: string;
}

export function addVersion(running: MovingVersions, { component, version, host }: VersionPlace): void {
  const versions = running.get(component) ?? new Map<string, Set<string>>();
  running.set(component, versions);
  const hosts = versions.get(version) ?? new Set();
  versions.set(version, hosts.add(host));
}

/** The host runs this version of the component and no other. */
export function settleVersion(running: MovingVersions, place: VersionPlace): void {
  addVersion(running, place);
  for (const [version, hosts] of running.get(place.component) ?? [])
    if (version !== place.version && hosts.delete(place.host) && hosts.size === 0)
      running.get(place.component)?.delete(version);
}

export function copyVersions(running: RunningVersions): MovingVersions {
  return new Map(
    [...running].map(([component, versions]) => [
      component,
      new Map([...versions].map(([version, hosts]) => [version, new Set(hosts)])),
    ]),
  );
}

/** What runs when all of these are done. */
export function versionsAfter(running: RunningVersions, changes: readonly PlannedChange[]): RunningVersions {
  const after = copyVersions(running);
  for (const { component, to, host } of changes)
    if (after.has(component)) settleVersion(after, { component, version: to, host });
  return after;
}

/** What runs when everything before a step is done. */
export function versionsAtStep(
  running: RunningVersions,
  { steps, index }: { readonly steps: readonly Step[]; readonly index: number },
): RunningVersions {
  const state = copyVersions(running);
  const components = new Set(running.keys());
  for (const step of steps.slice(0, index))
    for (const place of [...switchesOf(step, components).values()].flat(2)) settleVersion(state, place);
  return state;
}

/** What a step switches, by host: groups in series of switches side by side. */
export function switchesOf(step: Step, components: ReadonlySet<string>): Map<string, VersionPlace[][]> {
  const switches = new Map<string, VersionPlace[][]>();
  for (const { host, groups } of step.work) {
    const series = groups
      .map((group) =>
        group.filter(
          ({ kind, action, component }) => kind === "switch" && action === "do" && components.has(component),
        ),
      )
      .filter((group) => group.length > 0);
    if (series.length > 0) switches.set(host, series);
  }
  return switches;
}
