// What a release asks for, as a simulated world: its hosts, components, versions and policy; everything begins one version
// behind, and what goes wrong follows from the seed.
import type { DesiredRelease } from "../model/desired.ts";
import type { Plan } from "../model/plan.ts";
import { makeFaults } from "./make-scenario.ts";
import { makeRandom } from "./random.ts";
import type { FaultKind, Scenario, SimulatedComponent } from "./scenario.ts";

/** What only contracts say of a component. */
export type SimulatedTraits = Pick<
  SimulatedComponent,
  "hasDrain" | "hasBackup" | "hasHealth" | "deadlineSeconds" | "tasks"
> & { readonly manager: "systemd" | "process" };

export interface ReleaseWorld {
  readonly release: DesiredRelease;
  readonly traitsOf: (component: string) => SimulatedTraits;
  readonly seed: number;
  readonly faults?: readonly FaultKind[] | undefined;
}

export const plainTraits: SimulatedTraits = {
  hasDrain: true,
  hasBackup: true,
  hasHealth: true,
  deadlineSeconds: 120,
  tasks: [],
  manager: "systemd",
};

/** Versions that a simulated fleet runs before; no release may be called so. */
const before = "before";

export function scenarioOfRelease({ release, traitsOf, seed, faults }: ReleaseWorld): Scenario {
  const components = release.components.map(({ name, dependsOn, targets }): SimulatedComponent => {
    const versions = targets.map(({ version }) => version);
    const { manager: _, ...traits } = traitsOf(name);
    return {
      ...traits,
      name,
      hosts: targets.map(({ host }) => host),
      dependsOn,
      from: before,
      to: versions[0] ?? before,
      targets: Object.fromEntries(targets.map(({ host, version }) => [host, version])),
    };
  });
  const processes = release.components.filter(({ name }) => traitsOf(name).manager === "process");
  const withoutGuard = new Set(processes.flatMap(({ targets }) => targets.map(({ host }) => host)));
  const { canaries, batchSize, soakSeconds, failureBudget, drift } = release.policy;
  return withFaults({
    seed,
    components,
    withoutGuard,
    policy: { canaries, batchSize, soakSeconds, failureBudget, drift },
    rollbackPolicy: release.rollbackPolicy,
    restorePoint: release.restorePoint,
    edits: release.edits?.filter(({ kind }) => kind === "gate" || kind === "split"),
    faults,
  });
}

/** A plan says what moves; how its hosts are cut into batches follows from the plan's own switch steps. */
export function scenarioOfPlan(plan: Plan, { seed, faults }: Pick<ReleaseWorld, "seed" | "faults">): Scenario {
  const tasks = plan.steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  const has = (component: string, kind: string) =>
    tasks.some((task) => task.component === component && task.kind === kind);
  const order = [...new Set(tasks.filter(({ kind }) => kind === "switch").map(({ component }) => component))];
  const names = [...new Set([...order, ...plan.changes.map(({ component }) => component)])];
  const components = names.map((name): SimulatedComponent => {
    const mine = plan.changes.filter(({ component }) => component === name);
    return {
      name,
      hosts: mine.map(({ host }) => host),
      dependsOn: [],
      from: mine[0]?.from === mine[0]?.to ? before : mine[0]?.from,
      to: mine[0]?.to ?? before,
      targets: Object.fromEntries(mine.map(({ host, to }) => [host, to])),
      hasDrain: has(name, "drain"),
      hasBackup: has(name, "backup"),
      hasHealth: has(name, "health"),
      deadlineSeconds: mine[0]?.deadlineSeconds ?? 120,
      tasks: [],
    };
  });
  const batches = plan.steps.filter(({ kind }) => kind === "switch");
  return withFaults({
    seed,
    components,
    withoutGuard: new Set(plan.changes.filter((one) => !one.revertsAfterReboot).map(({ host }) => host)),
    policy: {
      canaries: batches[0]?.work.length ?? 1,
      batchSize: Math.max(1, ...batches.map(({ work }) => work.length)),
      soakSeconds: Math.max(0, ...plan.steps.map((step) => step.soakSeconds)),
      failureBudget: plan.failureBudget,
      drift: "report",
    },
    rollbackPolicy: plan.rollbackPolicy,
    restorePoint: plan.restorePoint,
    edits: plan.edits?.filter(({ kind }) => kind === "gate"),
    faults,
  });
}

interface Base extends Pick<Scenario, "seed" | "components" | "policy" | "rollbackPolicy"> {
  readonly restorePoint: Scenario["restorePoint"] | undefined;
  readonly edits: Scenario["edits"] | undefined;
  readonly withoutGuard: ReadonlySet<string>;
  readonly faults: readonly FaultKind[] | undefined;
}

function withFaults({ seed, components, restorePoint, edits, withoutGuard, faults: kinds, ...rest }: Base): Scenario {
  const names = [...new Set(components.flatMap(({ hosts }) => hosts))].sort();
  const random = makeRandom(seed, "faults");
  return {
    seed,
    hosts: names.map((name) => ({ name, manager: withoutGuard.has(name) ? "process" : "systemd" })),
    components,
    ...rest,
    ...(restorePoint === undefined ? {} : { restorePoint }),
    ...(edits === undefined || edits.length === 0 ? {} : { edits }),
    concurrency: 64,
    patienceMs: 30_000,
    faults: makeFaults(random, { hosts: names, components, kinds }),
  };
}
