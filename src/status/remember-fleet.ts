// From published statuses back to what a planner may start from: a preview of the fleet, as old as the statuses are. Pure.
import {
  type HostFacts,
  type LastKnownComponent,
  type Observation,
  type ObservedComponent,
  type UnitOrder,
  unitDirectives,
} from "../model/observation.ts";
import type { Status, TargetStatus } from "../model/status.ts";
import { lastKnownOf } from "./status-trees.ts";

export interface RememberedFleet {
  /** One a host; a host that no status names has nothing installed. */
  readonly observations: ReadonlyMap<string, Observation>;
  /** Hosts that were on hold, with the reason. */
  readonly holds: ReadonlyMap<string, string>;
  /** Keyed by `component@tree`. */
  readonly quarantined: ReadonlyMap<string, string>;
  /** Oldest of the statuses that named one of these hosts; undefined when none did. */
  readonly observedAt: number | undefined;
}

/** Outcomes of what no hold keeps. */
const goesOn: ReadonlySet<TargetStatus["outcome"]> = new Set(["in-sync", "done", "pending", "rolled-back", "failed"]);

interface Told {
  readonly status: Status;
  readonly target: TargetStatus;
  readonly known: LastKnownComponent;
}

/** A component that moved to another release is told by two statuses: the newer one counts. */
export function rememberFleet(statuses: readonly Status[], hosts: Iterable<string>): RememberedFleet {
  const oldestFirst = [...statuses].sort((a, b) => a.at - b.at);
  const told = new Map<string, Map<string, Told>>();
  const facts = new Map<string, RememberedFacts>();
  for (const status of oldestFirst) {
    const known = lastKnownOf(status);
    for (const target of status.targets) {
      const mine = told.get(target.host) ?? new Map<string, Told>();
      told.set(target.host, mine.set(target.component, { status, target, known: known(target) }));
    }
    for (const { hosts: names, tools, revertsAfterReboot, unitOrder } of status.facts ?? []) {
      const mode = revertsAfterReboot ? "system" : "user";
      const shared = { tools, mode, systemd: revertsAfterReboot, unitOrder: unitOrderOf(unitOrder ?? []) } as const;
      for (const name of names) facts.set(name, shared);
    }
  }
  const observations = new Map<string, Observation>();
  const holds = new Map<string, string>();
  let observedAt: number | undefined;
  for (const host of hosts) {
    const parts = [...(told.get(host)?.values() ?? [])];
    const at = parts.reduce((newest, { status }) => Math.max(newest, status.at), 0);
    if (parts.length > 0) observedAt = Math.min(observedAt ?? at, at);
    const held = parts.find(({ target }) => target.outcome === "held");
    // Of a host on hold nothing is as asked; one component that a plan edit holds is named by git itself.
    const isWhole = !parts.some(({ target }) => goesOn.has(target.outcome));
    if (held !== undefined && isWhole) holds.set(host, held.target.detail ?? "on hold");
    observations.set(host, observationOf({ host, at, parts, facts: facts.get(host) }));
  }
  return { observations, holds, quarantined: quarantinesOf(oldestFirst), observedAt };
}

type RememberedFacts = Pick<HostFacts, "tools" | "mode" | "systemd"> & {
  /** By the component whose units they are. */
  readonly unitOrder: ReadonlyMap<string, readonly UnitOrder[]>;
};

function unitOrderOf(lines: readonly string[]): RememberedFacts["unitOrder"] {
  const orders = lines.flatMap((line) => {
    const [mine = "", unit = "", word, component = "", otherUnit = ""] = line.split(" ");
    const directive = unitDirectives.find((known) => known === word);
    return directive === undefined ? [] : { mine, order: { unit, directive, component, otherUnit } };
  });
  const groups = Map.groupBy(orders, ({ mine }) => mine);
  return new Map([...groups].map(([mine, group]) => [mine, group.map(({ order }) => order)]));
}

interface HostInput {
  readonly host: string;
  readonly at: number;
  readonly parts: readonly Told[];
  readonly facts: RememberedFacts | undefined;
}

function observationOf({ host, at, parts, facts }: HostInput): Observation {
  const silent = parts.find(({ target }) => target.outcome === "unreachable");
  if (silent !== undefined) {
    const message = silent.target.detail ?? "did not answer";
    const lastKnown = { at, components: parts.map(({ known }) => known) };
    return { kind: "unreachable", host, at, code: "host-unreachable", message, lastKnown };
  }
  const unknown = { arch: "", kernel: "", glibc: undefined, bootId: "", epoch: 0, hostScript: "" };
  const { tools, mode, systemd } = facts ?? { tools: [], mode: "user" as const, systemd: false };
  return {
    kind: "observed",
    host,
    at,
    facts: { ...unknown, tools, mode, systemd },
    components: parts.map((told) => {
      const component = componentOf(told);
      const unitOrder = facts?.unitOrder.get(component.component);
      return unitOrder === undefined ? component : { ...component, unitOrder };
    }),
  };
}

function componentOf({ status, target, known }: Told): ObservedComponent {
  const { current, currentTree, committed, committedTree } = known;
  const elsewhere = committed !== current || committedTree !== currentTree;
  const state = current === undefined ? "none" : !elsewhere ? "committed" : unsettled(target.outcome);
  return {
    ...known,
    state,
    trial:
      state === "trial"
        ? { from: committed, to: current ?? "?", run: status.run ?? "?", reason: undefined }
        : undefined,
    built: [...new Set([current, committed])].filter((version) => version !== undefined),
    sequence: 0,
    floor: 0,
    active: undefined,
    pid: undefined,
  };
}

/** Why a host runs something else than it committed. */
function unsettled(outcome: TargetStatus["outcome"]): ObservedComponent["state"] {
  if (outcome === "drifted") return "committed";
  return outcome === "pending" ? "trial" : "confirmed";
}

function quarantinesOf(statuses: readonly Status[]): Map<string, string> {
  // Each status lists what is quarantined now, for its own components: the newest word on a component counts.
  const perComponent = new Map<string, [string, string][]>();
  for (const { targets, quarantined } of statuses) {
    for (const { component } of targets) perComponent.set(component, []);
    for (const { component, tree, reason } of quarantined)
      perComponent.set(component, [...(perComponent.get(component) ?? []), [`${component}@${tree}`, reason]]);
  }
  return new Map([...perComponent.values()].flat());
}
