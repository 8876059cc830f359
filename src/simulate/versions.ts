// What was published in a simulated world: every version that git asks for at some time, and what its contract says.
import { digestOf } from "../model/digest.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import type { SimulatedContract } from "./host/machine-room.ts";
import type { Scenario } from "./scenario.ts";

export interface Versions {
  /** Keyed by `component@version`. */
  readonly published: ReadonlyMap<string, PublishedVersion>;
  treeOf(component: string, version: string): string;
  contract(component: string, version: string): SimulatedContract;
}

export function makeVersions({ components, faults }: Scenario): Versions {
  const published = new Map<string, PublishedVersion>();
  const trees = new Map<string, string>();
  const contracts = new Map<string, SimulatedContract>();
  const treeOf = (component: string, version: string): string => {
    const key = `${component}@${version}`;
    const tree = trees.get(key) ?? digestOf(key);
    trees.set(key, tree);
    return tree;
  };
  for (const { name, from, to, targets = {}, hasDrain, hasBackup, hasHealth, deadlineSeconds, tasks } of components) {
    const hooks = new Map(tasks.map((task) => [task.name, task]));
    const pushed = faults.flatMap((fault) => (fault.kind === "push" && fault.component === name ? fault.version : []));
    const all = [
      ...new Set([from, to, ...Object.values(targets), ...pushed].filter((version) => version !== undefined)),
    ];
    for (const [index, version] of all.entries()) {
      const sequence = index + 1;
      const key = `${name}@${version}`;
      contracts.set(key, {
        sequence,
        floor: 0,
        deadlineSeconds,
        hasDrain,
        hasBackup,
        hasHealth,
        convertsData: true,
        hooks,
      });
      published.set(key, {
        component: name,
        version,
        tree: treeOf(name, version),
        bundle: undefined,
        contract: digestOf(`contract ${key}`),
        sequence,
        strategy: "restart",
        manager: "systemd",
        deadlineSeconds,
        floor: 0,
        hasDrain,
        hasBackup,
        hasHealth,
        tasks,
      });
    }
  }
  return {
    published,
    treeOf,
    contract(component, version) {
      const found = contracts.get(`${component}@${version}`);
      if (found === undefined) throw new Error(`nobody published ${component} ${version}`);
      return found;
    },
  };
}
