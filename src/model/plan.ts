// The plan: phases of batches, batches of per-host task groups. Pure data that one can print, diff, hash, review and run.
import type { Grade } from "./grade.ts";
import type { Digest } from "./names.ts";
import type { NamedEdit } from "./plan-edit.ts";
import type { RestorePointTerms } from "./restore-point.ts";
import type { Task } from "./task.ts";
import type { UnitOrderFinding } from "./unit-order.ts";

/** Tasks that run in parallel on one host. A list of groups is a series. */
export type TaskGroup = readonly Task[];

/** One component on one host that will change. `from` undefined is a first install. */
export interface PlannedChange {
  readonly host: string;
  readonly component: string;
  readonly from: string | undefined;
  readonly fromTree: Digest | undefined;
  readonly to: string;
  readonly toTree: Digest;
  readonly strategy: string;
  /** What the version's author promises of its switches; absent when nothing. */
  readonly grade?: Grade;
  /** How it leaves service before: `idle`, `deadline`, a time of day, or just what its task takes; absent when it does not. */
  readonly drain?: { readonly until?: string; readonly seconds: number };
  /** Seconds a trial may last before the host reverts by itself. */
  readonly deadlineSeconds: number;
  /** What P8 can promise here; `process` managers lose it across a reboot and the plan says so. */
  readonly revertsAfterReboot: boolean;
  /**
   * Where the change starts by intent, when that is not what runs now: the committed version below a trial that only waits
   * for its commit, or below a drift that is healed.
   */
  readonly intended?: { readonly from: string | undefined; readonly fromTree: Digest | undefined };
  /** The run that took the component out of service there and never brought it back; its place is nobody's any more. */
  readonly drainedBy?: string;
  /** Where the way goes on from `to`, what is asked for last; absent when `to` is that. */
  readonly further?: readonly FurtherVersion[];
}

/** One version on a way over stepping stones. */
export interface FurtherVersion {
  readonly version: string;
  readonly tree: Digest;
}

/**
 * How hosts get to a version that they may not go to directly (R16): this plan leads to the first stone, the plans after it
 * go on, each when the one before is committed.
 */
export interface PlannedPath {
  readonly component: string;
  /** Undefined for a first install that waits. */
  readonly from: string | undefined;
  /** What is asked for in the end. */
  readonly to: string;
  /** Stepping stones between the two, in order; empty where this plan does not move these hosts yet. */
  readonly via: readonly string[];
  readonly hosts: readonly string[];
  /** Of the whole way, by what is published. */
  readonly bytesPerHost: number | undefined;
  readonly why: string;
  /** Ways that were looked at and not taken. */
  readonly rejected: readonly { readonly way: string; readonly why: string }[];
  /** A component that goes before this one and has stepping stones of its own to take first. */
  readonly waitsFor?: string;
}

/** One decision of a plan: this component on this host, from what was committed there last. */
export type IntendedChange = Pick<
  PlannedChange,
  "host" | "component" | "from" | "fromTree" | "to" | "toTree" | "strategy" | "deadlineSeconds" | "further"
>;

/** `PublishedVersion.contract` by `component@version`. */
export type Contracts = Readonly<Record<string, Digest>>;

/** SHA-256 of each file of a task bundle, by `component@version`, then by name. */
export type Bundles = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Work of one host within a step; the whole list is handed over in one message. */
export interface HostWork {
  readonly host: string;
  readonly groups: readonly TaskGroup[];
}

/** Hosts that go together. All of a step ends before the next one starts. */
export interface Step {
  /** Unique within the plan and safe as a file name: `switch.2`. */
  readonly id: string;
  /** What it is to the run; `task`: executables of contracts, `gate`: a person opens it. */
  readonly kind: "distribute" | "check" | "restore-point" | "task" | "gate" | "switch" | "confirm" | "commit";
  /** The Procedure's name for the stretch that it belongs to. */
  readonly phase: string;
  /** Switch batches count from 1, the canary is batch 1; 0 for phases that take all hosts at once. */
  readonly batch: number;
  readonly work: readonly HostWork[];
  /** Tasks of balancers around the switch of the same batch: they take its hosts out of traffic, or put them back. */
  readonly traffic?: "away" | "back";
  /** Seconds to watch after this step before the next one. */
  readonly soakSeconds: number;
  /** Of a gate: what opens it by name, and why it is there. */
  readonly gate?: { readonly name: string; readonly reason: string };
}

/** An edit of a PlanEdit document, and what it does to this plan, in one sentence. */
export type PlannedEdit = NamedEdit & { readonly effect: string };

/** A host or component that the plan leaves alone, and why. */
export interface Held {
  readonly host: string;
  readonly component: string | undefined;
  /** `claimed`: a run that is open brings this very version there. */
  readonly reason: "unreachable" | "drifted" | "held" | "in-trial" | "quarantined" | "claimed";
  readonly evidence: string;
}

/**
 * How one version step reaches the hosts that share it, and what that costs. An estimate for people and for the choice at
 * delivery; no decision, so the plan hash does not cover it.
 */
export interface PlannedTransfer {
  readonly component: string;
  readonly from: string | undefined;
  readonly to: string;
  readonly hosts: readonly string[];
  /** `present`: built there already, nothing is sent. */
  readonly path: "direct" | "chain" | "full" | "present";
  /** Versions that a chain leads through, between `from` and `to`. */
  readonly via: readonly string[];
  /** Undefined while nobody has made it: the bytes are known once it is made. */
  readonly bytesPerHost: number | undefined;
  /** One sentence: what was compared, and why this one. */
  readonly why: string;
}

/** Why one component moves before another: `after` requires `before`, or `before` consumes what `after` produces. */
export interface OrderEdge {
  readonly kind: "requires" | "consumes";
  readonly before: string;
  readonly after: string;
}

/** Beside the changes, what tells whether another run may go on at the same time. Keys in byte order, empty lists left out. */
export interface PlanNeeds {
  /**
   * By component that changes: those of its release that go before it or after it, near or far, or that must not be too far
   * apart from it, whether they change or not.
   */
  readonly related: Readonly<Record<string, readonly string[]>>;
  /** By `component@version`: ports that must be its own on every host. */
  readonly ports: Readonly<Record<string, readonly number[]>>;
  /** By `component@version`: other components that it needs on the same host. */
  readonly components: Readonly<Record<string, readonly string[]>>;
}

/** One task of a component on the hosts that have it. */
export interface SlicedWork {
  readonly task: string;
  readonly component: string;
  readonly hosts: readonly string[];
}

/** What a plan is a part of. */
export interface PlanSlice {
  /** Hash of the whole plan. */
  readonly of: Digest;
  /** What was asked for: `phase=control-plane,site=a`; several mean any of them. */
  readonly terms: readonly string[];
  /** Not asked for, and needed by what was. */
  readonly brought: readonly SlicedWork[];
  /** What remains to be done where the slice begins something. */
  readonly left: readonly SlicedWork[];
  /** Changes of which the slice begins nothing: on how many hosts, by component; absent in plans of older controllers. */
  readonly untouched?: readonly { readonly component: string; readonly hosts: number }[];
}

export type RollbackPolicy = "auto" | "release" | "manual";

export interface Plan {
  readonly release: string;
  readonly changes: readonly PlannedChange[];
  /** Meant as well, and not done now: its host is held, on trial or unreachable, or the release is quarantined. */
  readonly waiting: readonly PlannedChange[];
  /** What each version was when this was planned, as `component@version`; absent in plans of older controllers. */
  readonly contracts?: Contracts;
  /** Files of the task bundles of these versions; those that have none are left out. */
  readonly bundles?: Bundles;
  /** Absent in plans of older controllers. */
  readonly needs?: PlanNeeds;
  readonly steps: readonly Step[];
  readonly held: readonly Held[];
  /** What is not reached directly, sorted; absent when everything is. */
  readonly paths?: readonly PlannedPath[];
  /** Edges between components that move in this plan, sorted: why its order is so; absent in plans of older controllers. */
  readonly order?: readonly OrderEdge[];
  /** What people changed about it (PlanEdit documents); absent when there is nothing. */
  readonly edits?: readonly PlannedEdit[];
  /** Set when this is a part of another plan. */
  readonly slice?: PlanSlice;
  /** Absent in plans that were made without an artifact repository. */
  readonly transfers?: readonly PlannedTransfer[];
  /** What hosts' units say about the order of components that change; absent when they say nothing new. No part of the hash. */
  readonly unitOrder?: readonly UnitOrderFinding[];
  /** Absent where the release asks for none, or nothing switches. */
  readonly restorePoint?: RestorePointTerms;
  /** Components of which no host may be left out of the run: its old version would run beside what it must not; absent when none. */
  readonly tied?: readonly string[];
  readonly rollbackPolicy: RollbackPolicy;
  /** Hosts that may be unhealthy or unknown before nothing more switches. */
  readonly failureBudget: number;
  /** SHA-256 over the decisions for all hosts, those that wait included (DESIGN section 6). */
  readonly hash: Digest;
}
