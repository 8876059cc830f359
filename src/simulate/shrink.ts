// A failing world made smaller: faults, hosts and components are left out as long as the same promise still breaks.
import { runScenario } from "./run-scenario.ts";
import type { Scenario } from "./scenario.ts";
import type { Violation } from "./world.ts";

export interface Shrunk {
  readonly scenario: Scenario;
  readonly violation: Violation;
}

export interface ShrinkOptions {
  /** How much may happen in the worlds that are tried, all together. */
  readonly facts?: number;
  readonly run?: typeof runScenario;
}

/** Deterministic. */
export async function shrink(
  found: Shrunk,
  { facts: budget = 300_000, run = runScenario }: ShrinkOptions = {},
): Promise<Shrunk> {
  let best = found;
  let left = budget;
  const isSmaller = async (scenario: Scenario): Promise<boolean> => {
    if (left <= 0) return false;
    const { violation, facts } = await run(scenario);
    left -= facts;
    if (violation?.promise !== found.violation.promise) return false;
    best = { scenario, violation };
    return true;
  };
  for (let before = -1; before !== left && left > 0; ) {
    before = left;
    const sizes = sizesOf(best.scenario);
    await leaveOut(best.scenario.faults.length, (keep) =>
      isSmaller({ ...best.scenario, faults: best.scenario.faults.filter((_, index) => keep(index)) }),
    );
    await leaveOut(best.scenario.hosts.length, (keep) => isSmaller(withHosts(best.scenario, keep)));
    await leaveOut(best.scenario.components.length, (keep) => isSmaller(withComponents(best.scenario, keep)));
    if (sizesOf(best.scenario) === sizes) break;
  }
  return best;
}

const sizesOf = ({ faults, hosts, components }: Scenario): string =>
  [faults, hosts, components].map(({ length }) => length).join(" ");

/** Tries to do without ever smaller stretches of a list; `attempt` says whether it worked, and the list is shorter then. */
async function leaveOut(
  length: number,
  attempt: (keep: (index: number) => boolean) => Promise<boolean>,
): Promise<void> {
  let rest = length;
  for (let size = rest; size >= 1; size = Math.floor(size / 2)) {
    for (let start = 0; start < rest; ) {
      const from = start;
      if (await attempt((index) => index < from || index >= from + size)) rest -= Math.min(size, rest - from);
      else start += size;
    }
  }
}

function withHosts(scenario: Scenario, keep: (index: number) => boolean): Scenario {
  const hosts = scenario.hosts.filter((_, index) => keep(index));
  const names = new Set(hosts.map(({ name }) => name));
  const components = scenario.components
    .map((component) => ({ ...component, hosts: component.hosts.filter((name) => names.has(name)) }))
    .filter((component) => component.hosts.length > 0);
  return consistent({ ...scenario, hosts, components });
}

function withComponents(scenario: Scenario, keep: (index: number) => boolean): Scenario {
  return consistent({ ...scenario, components: scenario.components.filter((_, index) => keep(index)) });
}

/** Nothing speaks of a host or component that is not there any more. */
function consistent(scenario: Scenario): Scenario {
  const hosts = new Set(scenario.hosts.map(({ name }) => name));
  const components = new Set(scenario.components.map(({ name }) => name));
  const releases = scenario.releases
    ?.map((names) => names.filter((name) => components.has(name)))
    .filter((names) => names.length > 0);
  return {
    ...scenario,
    ...(releases === undefined ? {} : { releases }),
    components: scenario.components.map((component) => ({
      ...component,
      dependsOn: component.dependsOn.filter((name) => components.has(name)),
    })),
    faults: scenario.faults.filter(
      (fault) =>
        (!("host" in fault) || fault.host === undefined || hosts.has(fault.host)) &&
        (!("component" in fault) || components.has(fault.component)),
    ),
  };
}
