// Desired, published and observed values for planner and engine tests, in a few words: `{ db: { hosts: ["h1"] } }`.

import type { DesiredComponent, DesiredRelease, ResolvedPolicy } from "../../src/model/desired.ts";
import { digestOf } from "../../src/model/digest.ts";
import type { Host } from "../../src/model/fleet.ts";
import type { Grade } from "../../src/model/grade.ts";
import type { Observation, ObservedComponent, UnitOrder } from "../../src/model/observation.ts";
import type { RollbackPolicy } from "../../src/model/plan.ts";
import type { Edit } from "../../src/model/plan-edit.ts";
import type { Procedure } from "../../src/model/procedure.ts";
import type { PublishedTask, PublishedVersion } from "../../src/model/published-version.ts";
import type { RestorePointTerms } from "../../src/model/restore-point.ts";
import type { PlanInput } from "../../src/plan/make-plan.ts";
import { editedRelease } from "./edited-release.ts";

export interface WantedComponent {
  readonly hosts: readonly string[];
  readonly dependsOn?: readonly string[];
  readonly consumes?: readonly string[];
  readonly skew?: DesiredComponent["skew"];
  readonly version?: string;
  readonly drain?: boolean;
  readonly drainSeconds?: number;
  readonly backup?: boolean;
  readonly health?: boolean;
  readonly tasks?: readonly PublishedTask[];
  /** Ports of its own, and components that it needs on the same host. */
  readonly ports?: readonly number[];
  /** Strategy balancer, by this task of that component: `pool/out`. */
  readonly balancer?: string;
  readonly hold?: boolean;
  readonly beside?: readonly string[];
  /** Stands for the whole contract and the task bundle. */
  readonly contract?: string;
  readonly grade?: Grade;
}

export interface World {
  readonly components: Readonly<Record<string, WantedComponent>>;
  /** By host, then component; hosts left out run version 1.0.0, committed. */
  readonly observed?: Readonly<Record<string, "unreachable" | Readonly<Record<string, SeenComponent>>>>;
  /** By host: `api After database` or, of other units than the one called like the component, `api/timer After database`. */
  readonly units?: Readonly<Record<string, readonly string[]>>;
  readonly holds?: Readonly<Record<string, string>>;
  /** `host/component`: an open run brings just that there. */
  readonly claimed?: readonly string[];
  /** `component@version`. */
  readonly quarantined?: readonly string[];
  readonly policy?: Partial<ResolvedPolicy>;
  readonly rollbackPolicy?: RollbackPolicy;
  readonly restorePoint?: RestorePointTerms;
  readonly procedure?: Procedure;
  /** Of one PlanEdit document, `by-hand`. */
  readonly edits?: readonly Edit[];
  /** By host. */
  readonly labels?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export type SeenComponent = Partial<Pick<ObservedComponent, "current" | "committed" | "state" | "drained">> & {
  readonly trial?: { readonly from: string; readonly to: string };
};

export const treeOf = (component: string, version: string) => digestOf(`${component}@${version}`);

export function planInput(world: World): PlanInput {
  const wanted = Object.entries(world.components);
  const hosts = [...new Set(wanted.flatMap(([, component]) => component.hosts))].sort();
  const pinned = (world.edits ?? []).flatMap((edit) => (edit.kind === "pin" ? [edit] : []));
  const published = [
    ...wanted.map(([name, component]) => publishedAs(name, component)),
    ...pinned.flatMap(({ component, version }) => {
      const like = world.components[component];
      return like === undefined ? [] : [publishedAs(component, { ...like, version })];
    }),
  ];
  const release = desiredRelease(world);
  return {
    release: world.edits === undefined ? release : editedRelease(release, world, world.edits),
    observations: new Map(hosts.map((host) => [host, observe(world, host)])),
    published: new Map(published.map((version) => [`${version.component}@${version.version}`, version])),
    holds: new Map(Object.entries(world.holds ?? {})),
    claimed: new Map((world.claimed ?? []).map((place) => [place, "run r1 is under way"])),
    quarantined: new Map(
      (world.quarantined ?? []).map((key) => {
        const [component = "", version = ""] = key.split("@");
        return [`${component}@${treeOf(component, version)}`, "health: 503"];
      }),
    ),
    generation: digestOf(JSON.stringify(world.components)),
    ...(world.procedure === undefined ? {} : { procedure: world.procedure }),
    labelsOf: (host) => world.labels?.[host] ?? {},
  };
}

function desiredRelease({ components, policy, rollbackPolicy = "auto", restorePoint }: World): DesiredRelease {
  return {
    name: "shop",
    rollbackPolicy,
    ...(restorePoint === undefined ? {} : { restorePoint }),
    policy: {
      name: "default",
      canaries: 1,
      batchSize: "25%",
      soakSeconds: 0,
      failureBudget: 0,
      approval: "merge",
      drift: "report",
      ...policy,
    },
    components: Object.entries(components).map(
      ([name, { hosts, dependsOn = [], consumes, skew, version = "2.0.0" }]) => ({
        name,
        dependsOn,
        ...(consumes === undefined ? {} : { consumes }),
        ...(skew === undefined ? {} : { skew }),
        targets: [...hosts].sort().map((host) => ({ host, version })),
      }),
    ),
  };
}

function publishedAs(component: string, wanted: WantedComponent): PublishedVersion {
  const version = wanted.version ?? "2.0.0";
  return {
    component,
    version,
    tree: treeOf(component, version),
    contract: digestOf(`contract of ${component} ${version}: ${wanted.contract ?? ""}`),
    bundle: undefined,
    sequence: 2,
    strategy: wanted.balancer === undefined ? "restart" : "balancer",
    ...balancerOf(wanted),
    manager: "systemd",
    deadlineSeconds: 120,
    floor: 0,
    ...(wanted.grade === undefined ? {} : { grade: wanted.grade }),
    hasDrain: wanted.drain ?? false,
    ...(wanted.drainSeconds === undefined ? {} : { drain: { seconds: wanted.drainSeconds } }),
    hasBackup: wanted.backup ?? false,
    hasHealth: wanted.health ?? false,
    ...(wanted.tasks === undefined ? {} : { tasks: wanted.tasks }),
    ...(wanted.ports === undefined ? {} : { needsPorts: wanted.ports }),
    ...(wanted.beside === undefined
      ? {}
      : { needsComponents: Object.fromEntries(wanted.beside.map((name) => [name, "*"])) }),
  };
}

function balancerOf({ balancer, hold = false }: WantedComponent): Pick<PublishedVersion, "balancer"> {
  const [component, task] = balancer?.split("/") ?? [];
  return component === undefined || task === undefined ? {} : { balancer: { component, task, hold } };
}

function observe(world: World, host: string): Observation {
  const seen = world.observed?.[host] ?? {};
  if (seen === "unreachable")
    return { kind: "unreachable", host, at: 0, code: "host-unreachable", message: "no route" };
  const here = Object.entries(world.components).filter(([, component]) => component.hosts.includes(host));
  return {
    kind: "observed",
    host,
    at: 0,
    facts: {
      mode: "system",
      arch: "x86_64",
      kernel: "6.1",
      glibc: "2.36",
      bootId: "b",
      systemd: true,
      tools: ["zstd"],
      epoch: 0,
      hostScript: "1",
    },
    components: here.map(([component]) => ({
      ...observedComponent(component, seen[component] ?? { current: "1.0.0" }),
      ...unitOrderOf(component, world.units?.[host] ?? []),
    })),
  };
}

function unitOrderOf(component: string, lines: readonly string[]): Pick<ObservedComponent, "unitOrder"> {
  const unitOrder = lines.flatMap((line): UnitOrder[] => {
    const [from = "", directive, other = ""] = line.split(" ");
    const unitOf = (name: string) => `${name.split("/")[1] ?? name}.service`;
    if (from.split("/")[0] !== component) return [];
    return [
      {
        unit: unitOf(from),
        directive: directive as UnitOrder["directive"],
        component: other.split("/")[0] ?? "",
        otherUnit: unitOf(other),
      },
    ];
  });
  return unitOrder.length === 0 ? {} : { unitOrder };
}

function observedComponent(component: string, seen: SeenComponent): ObservedComponent {
  const { current } = seen;
  const committed = "committed" in seen ? seen.committed : current;
  const state = seen.state ?? (committed === undefined ? "none" : "committed");
  return {
    component,
    current,
    currentTree: current && treeOf(component, current),
    committed,
    committedTree: committed && treeOf(component, committed),
    state,
    trial: trialOf(seen, { committed, state }),
    ...(seen.drained === undefined ? {} : { drained: seen.drained }),
    built: [],
    sequence: 1,
    floor: 0,
    active: true,
    pid: 1,
  };
}

function trialOf(
  { current, trial }: SeenComponent,
  { committed, state }: Pick<ObservedComponent, "committed" | "state">,
): ObservedComponent["trial"] {
  if (trial !== undefined) return { ...trial, run: "r0", reason: undefined };
  return state === "trial" ? { from: committed, to: current ?? "?", run: "r0", reason: undefined } : undefined;
}

export function fleetOf(names: readonly string[]): Host[] {
  return names.map((name) => ({
    name,
    address: "127.0.0.1",
    port: 22,
    user: "cutover",
    hostKeys: ["ssh-ed25519 AAAA"],
    labels: {},
    components: [],
  }));
}
