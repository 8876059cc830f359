// What hosts have in common, each combination told once. Pure.
import type { Observation } from "../model/observation.ts";
import type { SharedFacts, Status } from "../model/status.ts";

/** Facts of these hosts, sorted; of one that does not answer, those of the status before. */
export function sharedFacts(
  hosts: Iterable<string>,
  observations: ReadonlyMap<string, Observation>,
  previous: Status | undefined,
): SharedFacts[] {
  const before = new Map(
    (previous?.facts ?? []).flatMap(({ hosts: names, ...facts }) => names.map((name) => [name, facts] as const)),
  );
  const groups = new Map<string, Omit<SharedFacts, "hosts"> & { hosts: string[] }>();
  for (const host of [...new Set(hosts)].sort()) {
    const facts = factsOf(observations.get(host)) ?? before.get(host);
    if (facts === undefined) continue;
    const key = JSON.stringify([facts.tools, facts.revertsAfterReboot, facts.unitOrder]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { ...facts, hosts: [host] });
    else group.hosts.push(host);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

function factsOf(observation: Observation | undefined): Omit<SharedFacts, "hosts"> | undefined {
  if (observation?.kind !== "observed") return undefined;
  const { tools, mode, systemd } = observation.facts;
  const known = [...new Set(tools.filter((tool) => tool.length <= 64))].sort().slice(0, 100);
  const unitOrder = observation.components
    .flatMap(({ component: mine, unitOrder: said = [] }) =>
      said.map(({ unit, directive, component, otherUnit }) => `${mine} ${unit} ${directive} ${component} ${otherUnit}`),
    )
    .sort()
    .slice(0, 1_000);
  return {
    ...{ tools: known, revertsAfterReboot: mode === "system" && systemd },
    ...(unitOrder.length === 0 ? {} : { unitOrder }),
  };
}
