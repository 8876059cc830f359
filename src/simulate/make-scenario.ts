// From a seed to a world with its faults: small fleets mostly, every shape of policy, everything that may go wrong.
import type { PublishedTask } from "../model/published-version.ts";
import { taskPlaces } from "../model/task.ts";
import { makeRandom, type Random } from "./random.ts";
import {
  type FailingTask,
  type Fault,
  type FaultKind,
  faultKinds,
  type Scenario,
  type SimulatedComponent,
  type SimulatedHost,
} from "./scenario.ts";

export interface ScenarioOptions {
  readonly seed: number;
  /** So many hosts instead of a number from the seed. */
  readonly hosts?: number | undefined;
  /** Only these kinds of faults; all when absent. */
  readonly faults?: readonly FaultKind[] | undefined;
}

export function makeScenario({ seed, hosts: wanted, faults: kinds }: ScenarioOptions): Scenario {
  const random = makeRandom(seed, "scenario");
  const count = wanted ?? hostCount(random);
  const hosts = [...Array(count).keys()].map(
    (index): SimulatedHost => ({
      name: `h${String(index + 1).padStart(String(count).length, "0")}`,
      manager: random.chance(3) ? "process" : "systemd",
    }),
  );
  const names = hosts.map(({ name }) => name);
  const components = makeComponents(random, names);
  const releases = releasesOf(seed, components);
  return {
    seed,
    hosts,
    components,
    policy: {
      canaries: random.below(3),
      batchSize: random.pick(count > 100 ? ["25%", "50%"] : [1, 2, 5, "25%", "50%", "100%"]),
      soakSeconds: random.pick([0, 0, 5]),
      failureBudget: random.pick([0, 0, 1, 2]),
      drift: random.pick(["report", "heal"]),
    },
    rollbackPolicy: random.pick(["auto", "auto", "release", "manual"]),
    concurrency: concurrencyOf(random, count),
    patienceMs: random.pick([5_000, 30_000, 120_000]),
    faults: makeFaults(random, { hosts: names, components, kinds }),
    ...restorePointOf(seed, components),
    ...backAgainOf(seed),
    ...releases,
    ...byHandOf(seed, releases),
  };
}

function concurrencyOf(random: Random, hosts: number): number {
  if (hosts > 12) return hosts > 100 ? 64 : 16;
  return random.pick([1, 2, 4, 16]);
}

/** In one world of five with some components they are two releases, and both may ask for one of them; or one that comes in two parts. */
function releasesOf(
  seed: number,
  components: readonly SimulatedComponent[],
): Pick<Scenario, "releases" | "isOneRelease"> {
  const random = makeRandom(seed, "releases");
  if (components.length < 2 || !random.chance(5)) return {};
  const names = components.map(({ name }) => name);
  const cut = 1 + random.below(names.length - 1);
  if (makeRandom(seed, "one-release").chance(2))
    return { releases: [names.slice(0, cut), names.slice(cut)], isOneRelease: true };
  return { releases: [names.slice(0, cut + random.below(2)), names.slice(cut)] };
}

/** In one world of four; some are too narrow for hosts that are slow. */
function restorePointOf(seed: number, components: readonly SimulatedComponent[]): Pick<Scenario, "restorePoint"> {
  const random = makeRandom(seed, "restore-point");
  const names = components.flatMap(({ name, hasBackup }) => (hasBackup ? [name] : []));
  if (names.length === 0 || !random.chance(4)) return {};
  return { restorePoint: { components: names, withinMs: random.pick([500, 500, 5_000]) } };
}

/** In one world of three. From a stream of its own, so that all else of a seed's world is as it was. */
function backAgainOf(seed: number): Pick<Scenario, "backAgain"> {
  const random = makeRandom(seed, "asks-back-again");
  if (!random.chance(3)) return {};
  return {
    backAgain: {
      afterMs: random.pick([10, 100, 100, 500, 500, 2_000, 10_000]),
      again: random.pick(["on", "in-traffic"]),
    },
  };
}

/** In one world of three. Beside another release a step takes a whole pass: with many of them trials would only go back, and back. */
function byHandOf(seed: number, { releases }: Pick<Scenario, "releases">): Pick<Scenario, "byHand"> {
  const random = makeRandom(seed, "by-hand");
  if (!random.chance(3)) return {};
  if (releases !== undefined) return { byHand: { steps: random.pick([0, 20]), acts: random.pick([1, 2, 4]) } };
  return { byHand: { steps: random.pick([0, 10, 30, 60]), acts: random.pick([1, 2, 4, 8]) } };
}

function hostCount(random: Random): number {
  if (random.chance(80)) return 20 + random.below(40);
  return 1 + random.below(random.chance(4) ? 12 : 5);
}

const componentNames = ["database", "cache", "api", "gateway"] as const;

function makeComponents(random: Random, hosts: readonly string[]): SimulatedComponent[] {
  const count = 1 + random.below(hosts.length > 100 ? 2 : componentNames.length);
  const components: SimulatedComponent[] = [];
  for (const name of componentNames.slice(0, count)) {
    const share = random.pick([1, 1, 0.5]);
    const mine = hosts.filter(() => share === 1 || random.fraction() < share);
    if (mine.length === 0) continue;
    const isNew = random.chance(5);
    components.push({
      name,
      hosts: mine,
      dependsOn: components.map((each) => each.name).filter(() => random.chance(2)),
      from: isNew ? undefined : "v1",
      to: !isNew && random.chance(8) ? "v1" : "v2",
      hasDrain: random.chance(2),
      hasBackup: random.chance(2),
      hasHealth: !random.chance(4),
      deadlineSeconds: random.pick([20, 60, 120]),
      tasks: random.chance(2) ? [] : makeTasks(random),
    });
  }
  const [first] = hosts;
  if (components.length > 0 || first === undefined) return components;
  return [{ ...plainComponent, hosts: [first] }];
}

const plainComponent: SimulatedComponent = {
  name: "api",
  hosts: [],
  dependsOn: [],
  from: "v1",
  to: "v2",
  hasDrain: false,
  hasBackup: false,
  hasHealth: true,
  deadlineSeconds: 60,
  tasks: [],
};

function makeTasks(random: Random): PublishedTask[] {
  return ["convert", "expand", "warm"].slice(0, 1 + random.below(3)).map((name) => ({
    name,
    at: random.pick(taskPlaces),
    scope: random.chance(3) ? "once" : "host",
    hasUndo: !random.chance(3),
    canDryRun: false,
  }));
}

interface FaultWorld {
  readonly hosts: readonly string[];
  readonly components: readonly SimulatedComponent[];
  /** All when undefined. */
  readonly kinds: readonly FaultKind[] | undefined;
}

/** Most worlds have a few faults, some none, some many; large fleets have more. */
export function makeFaults(random: Random, world: FaultWorld): Fault[] {
  if (world.kinds?.length === 0) return [];
  const most = random.pick([0, 2, 4, 8, 16]) + Math.floor(world.hosts.length / 200);
  return [...Array(random.below(most + 1)).keys()].map(() => makeFault(random, world));
}

function makeFault(random: Random, { hosts, components, kinds }: FaultWorld): Fault {
  const all = kinds ?? faultKinds;
  const kind = all[random.below(all.length)] ?? "kill";
  const component = components[random.below(components.length)] ?? plainComponent;
  const host = hosts[random.below(hosts.length)] ?? "h1";
  const at = moment(random);
  const forMs = random.pick([500, 5_000, 20_000, 90_000, 600_000]);
  switch (kind) {
    case "crash":
      return { kind, write: 1 + random.below(random.pick([10, 60, 300])), moment: random.pick(["before", "after"]) };
    case "kill":
      return { kind, at };
    case "takeover":
      return { kind, at, silentMs: random.pick([3_000, 20_000, 200_000]) };
    case "cut":
      return { kind, host, call: 1 + random.below(30), moment: random.pick(["request", "reply"]) };
    case "wrong-reply":
      return { kind, host, call: 1 + random.below(30), lie: random.pick(["foreign", "short"]) };
    case "black-hole":
    case "disk-full":
    case "hold":
      return { kind, host, at, forMs };
    case "reboot":
      return { kind, host, at, downMs: random.pick([2_000, 30_000, 300_000]) };
    case "slow":
      return { kind, host, at, forMs, factor: random.pick([3, 20, 200]) };
    case "bad-version":
      return badVersion(random, { component, host });
    case "patch-refused":
      return { kind, host, component: component.name };
    case "damage":
    case "drift":
      return { kind, host, component: component.name, at };
    case "clock-jump":
      return { kind, at, byMs: random.pick([-86_400_000, -60_000, 60_000, 86_400_000]) };
    case "push":
      return { kind, component: component.name, version: random.pick(["v3", "v4", component.to]), at };
  }
}

/** What fails for ever and says nothing against a version would be tried for ever, with growing pauses: those strike some times. */
function badVersion(random: Random, { component, host }: { component: SimulatedComponent; host: string }): Fault {
  const isOld = random.chance(6);
  const names = component.tasks.map(({ name }) => `hook:${name}` as const);
  const task =
    names.length > 0 && random.chance(2) ? (names[random.below(names.length)] ?? "build") : random.pick(failingTasks);
  const isBad = !isOld && (task === "health" || task === "switch");
  return {
    kind: "bad-version",
    component: component.name,
    version: isOld ? (component.from ?? component.to) : component.to,
    host: random.chance(3) ? undefined : host,
    task,
    times: isBad ? random.pick([1, 2, forEver, forEver]) : random.pick([1, 1, 2, 3]),
  };
}

const forEver = 1_000_000;

const failingTasks: readonly [FailingTask, ...FailingTask[]] = [
  "health",
  "health",
  "switch",
  "switch",
  "build",
  "check",
  "backup",
  "drain",
  "undrain",
  "confirm",
  "commit",
  "arm",
];

/** A small run takes some seconds: most faults strike then. */
function moment(random: Random): number {
  return random.below(random.pick([2_000, 8_000, 8_000, 60_000]));
}
