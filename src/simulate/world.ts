// Puts a simulated world together from a scenario: hosts, links, disks and controller processes over one queue of events, and
// every promise checked at everything that happens.
import type { DesiredRelease } from "../model/desired.ts";
import type { Host } from "../model/fleet.ts";
import type { JournalEvent } from "../model/run-event.ts";
import type { EventQueue } from "./event-queue.ts";
import { makeEventQueue } from "./event-queue.ts";
import { type Fact, factLine } from "./fact.ts";
import { type History, holdReason, makeHistory, remember } from "./history.ts";
import { makeSimHost, type SimHost } from "./host/sim-host.ts";
import { makeCommitted } from "./host/truth.ts";
import { controllerStream } from "./life.ts";
import { type JournalDisk, makeJournalDisk } from "./memory-journal.ts";
import { makeNetwork, type Network } from "./network.ts";
import { promiseChecks } from "./promises/promise-checks.ts";
import { makeRandom } from "./random.ts";
import type { Fault, Scenario } from "./scenario.ts";
import { makeVersions, type Versions } from "./versions.ts";

export interface Violation {
  readonly promise: string;
  readonly title: string;
  readonly what: string;
  /** Virtual milliseconds. */
  readonly at: number;
}

export interface World {
  readonly scenario: Scenario;
  readonly queue: EventQueue;
  readonly network: Network;
  readonly hosts: ReadonlyMap<string, SimHost>;
  readonly fleet: readonly Host[];
  readonly versions: Versions;
  readonly disks: Map<string, JournalDisk>;
  readonly history: History;
  /** What went wrong first; nothing more is checked then. */
  violation: Violation | undefined;
  facts: number;
  epoch: number;
  skewMs: number;
  releases(): readonly DesiredRelease[];
  /** Changes what git asks for. */
  push(component: string, version: string): void;
  tell(fact: Fact): void;
  /** As an operator's command beside the controller writes it. */
  writeDirectly(body: { readonly kind: "held" | "resumed"; readonly host: string }): void;
}

export function makeWorld(scenario: Scenario, onLine?: (line: string) => void): World {
  const queue = makeEventQueue();
  const versions = makeVersions(scenario);
  const hosts = new Map<string, SimHost>();
  const targets = new Map<string, string>();
  const truths = new Map<string, SimHost["truth"]>();
  const world: World = {
    scenario,
    queue,
    hosts,
    versions,
    network: makeNetwork({ seed: scenario.seed, queue, faults: scenario.faults }),
    fleet: scenario.hosts.map(({ name }) => fleetHost(name)),
    disks: new Map([["a", makeJournalDisk()]]),
    history: makeHistory(scenario),
    violation: undefined,
    facts: 0,
    epoch: 0,
    skewMs: 0,
    releases: () => releasesOf(scenario, targets),
    push: (component, version) => void targets.set(component, version),
    tell(fact) {
      world.facts += 1;
      const now = queue.now();
      onLine?.(factLine(now, fact));
      if (world.violation !== undefined) return;
      for (const { promise, title, check } of promiseChecks) {
        const what = check({ now, fact, history: world.history, hosts: truths });
        if (what !== undefined) {
          world.violation = { promise, title, what, at: now };
          return;
        }
      }
      remember(world.history, now, fact);
    },
    writeDirectly(body) {
      for (const [disk, { streams }] of world.disks) {
        const kept = streams.get(controllerStream) ?? [];
        const place = { stream: controllerStream, sequence: kept.length + 1, at: queue.now() };
        const event: JournalEvent = { ...body, by: "operator", reason: holdReason, ...place };
        streams.set(controllerStream, [...kept, event]);
        world.tell({ kind: "journaled", disk, event });
      }
    },
  };
  for (const { name, manager } of scenario.hosts) {
    const host = makeHost(world, { name, manager });
    hosts.set(name, host);
    truths.set(name, host.truth);
  }
  return world;
}

function makeHost(world: World, { name, manager }: Scenario["hosts"][number]): SimHost {
  const { scenario, queue, versions } = world;
  const random = makeRandom(scenario.seed, "host", name);
  const failures = makeFailures(scenario.faults, name);
  const host = makeSimHost({
    name,
    manager,
    queue,
    contract: versions.contract,
    failure: failures,
    duration: (ms) => Math.ceil(ms * (0.5 + random.fraction())),
    treeOf: versions.treeOf,
    watcher: {
      onChange: (truth, component, what) => world.tell({ kind: "changed", host: truth, component, what }),
      onFence: (truth, fence) => world.tell({ kind: "fenced", host: truth, fence }),
      onSubmit: (truth, step) => world.tell({ kind: "submitted", host: truth, step }),
      onTask: (truth, { step, task, event }) => world.tell({ kind: "task", host: truth, step, task, event }),
    },
  });
  for (const component of scenario.components)
    if (component.from !== undefined && component.hosts.includes(name))
      host.truth.components.set(component.name, makeCommitted(component.name, component.from));
  return host;
}

const failureWords: Readonly<Record<string, { readonly exitCode: number; readonly reason: string }>> = {
  build: { exitCode: 65, reason: "verify-failed" },
  check: { exitCode: 69, reason: "needs-missing" },
  backup: { exitCode: 74, reason: "backup-failed" },
  drain: { exitCode: 71, reason: "task-failed" },
  undrain: { exitCode: 71, reason: "task-failed" },
  arm: { exitCode: 71, reason: "arming-failed" },
  switch: { exitCode: 71, reason: "not-ready" },
  health: { exitCode: 71, reason: "unhealthy" },
  confirm: { exitCode: 71, reason: "cannot-write" },
  commit: { exitCode: 74, reason: "cannot-write" },
};

type BadVersion = Extract<Fault, { kind: "bad-version" }>;

/** Counts for each fault how often it still strikes on this host. */
function makeFailures(faults: readonly Fault[], host: string) {
  const bad = faults.filter((fault): fault is BadVersion => fault.kind === "bad-version");
  const mine = bad
    .filter((fault) => fault.host === undefined || fault.host === host)
    .map((fault) => ({ fault, left: fault.times }));
  const patches = new Set(
    faults.flatMap((one) => (one.kind === "patch-refused" && one.host === host ? one.component : [])),
  );
  return (component: string, version: string, task: string) => {
    if (task === "build" && patches.has(component)) return { exitCode: 65, reason: "patch-corrupt" };
    const struck = mine.find(
      ({ fault, left }) =>
        left > 0 && fault.component === component && fault.version === version && fault.task === task,
    );
    if (struck === undefined) return undefined;
    struck.left -= 1;
    return failureWords[struck.fault.task] ?? { exitCode: 71, reason: "task-failed" };
  };
}

function fleetHost(name: string): Host {
  return {
    name,
    address: "192.0.2.1",
    port: 22,
    user: "cutover",
    hostKeys: ["ssh-ed25519 AAAA"],
    labels: {},
    components: [],
  };
}

function releasesOf(scenario: Scenario, targets: ReadonlyMap<string, string>): readonly DesiredRelease[] {
  const { releases = [scenario.components.map(({ name }) => name)] } = scenario;
  return releases.map((names, index) => {
    const components = scenario.components.filter(({ name }) => names.includes(name));
    return releaseOf(
      { ...scenario, components },
      { name: index === 0 || scenario.isOneRelease ? "simulated" : `beside-${index}`, targets },
    );
  });
}

interface ReleaseParts {
  readonly name: string;
  readonly targets: ReadonlyMap<string, string>;
}

function releaseOf(scenario: Scenario, { name: release, targets }: ReleaseParts): DesiredRelease {
  const { restorePoint: terms } = scenario;
  const saved = scenario.components.flatMap(({ name, hasBackup }) => (hasBackup ? [name] : []));
  const mine = new Set(scenario.components.map(({ name }) => name));
  const parts = saved.filter((name) => terms?.components.includes(name));
  return {
    ...(terms === undefined || parts.length === 0 ? {} : { restorePoint: { ...terms, components: parts } }),
    name: release,
    rollbackPolicy: scenario.rollbackPolicy,
    policy: { name: "simulated", approval: "merge", ...scenario.policy },
    ...(scenario.edits === undefined ? {} : { edits: scenario.edits }),
    components: scenario.components.map(({ name, hosts, dependsOn, to, targets: own = {} }) => ({
      name,
      dependsOn: dependsOn.filter((other) => mine.has(other)),
      targets: hosts.map((host) => ({ host, version: targets.get(name) ?? own[host] ?? to })),
    })),
  };
}
