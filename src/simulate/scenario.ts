// One simulated world as plain data: its hosts, what git asks for, and everything that goes wrong. Made from a seed, printed
// when a promise broke, made smaller by leaving things out.
import type { ResolvedPolicy } from "../model/desired.ts";
import type { RollbackPolicy } from "../model/plan.ts";
import type { NamedEdit } from "../model/plan-edit.ts";
import type { PublishedTask } from "../model/published-version.ts";
import type { RestorePointTerms } from "../model/restore-point.ts";

export interface Scenario {
  /** Durations on hosts and latencies follow from it; faults are listed. */
  readonly seed: number;
  readonly hosts: readonly SimulatedHost[];
  readonly components: readonly SimulatedComponent[];
  readonly policy: Pick<ResolvedPolicy, "canaries" | "batchSize" | "soakSeconds" | "failureBudget" | "drift">;
  readonly rollbackPolicy: RollbackPolicy;
  /** Of its components those that have a backup. */
  readonly restorePoint?: RestorePointTerms;
  /** An operator stops a way back so long after its beginning, and asks for it again. */
  readonly backAgain?: { readonly afterMs: number; readonly again: "on" | "in-traffic" };
  /** So often somebody steps through a run, and runs or takes back a task by itself; held runs are decided about anyway. */
  readonly byHand?: { readonly steps: number; readonly acts: number };
  /** Names of components, by release; all in one when absent. No order leads from one release to another; a component may be in two. */
  readonly releases?: readonly (readonly string[])[];
  /** These are parts of one release, each with runs of its own, as when components are pushed while a run of it is open. */
  readonly isOneRelease?: true;
  /** Splits and gates of the plan. */
  readonly edits?: readonly NamedEdit[];
  readonly concurrency: number;
  readonly patienceMs: number;
  readonly faults: readonly Fault[];
}

export interface SimulatedHost {
  readonly name: string;
  /** With `systemd` a boot guard takes trials back after a reboot. */
  readonly manager: "systemd" | "process";
}

export interface SimulatedComponent {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly dependsOn: readonly string[];
  /** What runs at the beginning; undefined: nothing was ever installed. */
  readonly from: string | undefined;
  readonly to: string;
  readonly hasDrain: boolean;
  readonly hasBackup: boolean;
  readonly hasHealth: boolean;
  readonly deadlineSeconds: number;
  /** Executables of its contract. */
  readonly tasks: readonly PublishedTask[];
  /** Hosts that shall get another version than `to`. */
  readonly targets?: Readonly<Record<string, string>>;
}

/** Tasks that a version or a host can make fail. */
export type FailingTask =
  | "build"
  | "check"
  | "backup"
  | "drain"
  /** The switch, before there is a trial. */
  | "arm"
  | "switch"
  | "health"
  | "confirm"
  | "commit"
  | "undrain"
  | `hook:${string}`;

/** Milliseconds count from the beginning; `call` and `write` count from 1. */
export type Fault =
  /** The controller dies at a journal write, before it is on disk or just after; another starts on the same journal. */
  | { readonly kind: "crash"; readonly write: number; readonly moment: "before" | "after" }
  | { readonly kind: "kill"; readonly at: number }
  /** Another controller takes over; the old one stands still for a while, then goes on as if nothing had been. */
  | { readonly kind: "takeover"; readonly at: number; readonly silentMs: number }
  /** The link breaks at the n-th call to the host: the request is lost, or the answer, or an event. */
  | { readonly kind: "cut"; readonly host: string; readonly call: number; readonly moment: "request" | "reply" }
  | { readonly kind: "black-hole"; readonly host: string; readonly at: number; readonly forMs: number }
  | { readonly kind: "wrong-reply"; readonly host: string; readonly call: number; readonly lie: "foreign" | "short" }
  /** Power lost, and back after a while. */
  | { readonly kind: "reboot"; readonly host: string; readonly at: number; readonly downMs: number }
  | { readonly kind: "disk-full"; readonly host: string; readonly at: number; readonly forMs: number }
  | {
      readonly kind: "slow";
      readonly host: string;
      readonly at: number;
      readonly forMs: number;
      readonly factor: number;
    }
  /** A version is bad on a host (everywhere: undefined), as the task says, the first so many times. */
  | {
      readonly kind: "bad-version";
      readonly component: string;
      readonly version: string;
      readonly host: string | undefined;
      readonly task: FailingTask;
      readonly times: number;
    }
  /** The host refuses the first patch for this component. */
  | { readonly kind: "patch-refused"; readonly host: string; readonly component: string }
  /** A bit flips in a version that is built and does not run. */
  | { readonly kind: "damage"; readonly host: string; readonly component: string; readonly at: number }
  /** Somebody points `current` at another version by hand. */
  | { readonly kind: "drift"; readonly host: string; readonly component: string; readonly at: number }
  /** The controller's wall clock jumps. */
  | { readonly kind: "clock-jump"; readonly at: number; readonly byMs: number }
  | { readonly kind: "hold"; readonly host: string; readonly at: number; readonly forMs: number }
  /** Git asks for another version of a component. */
  | { readonly kind: "push"; readonly component: string; readonly version: string; readonly at: number };

export type FaultKind = Fault["kind"];

export const faultKinds = [
  "crash",
  "kill",
  "takeover",
  "cut",
  "black-hole",
  "wrong-reply",
  "reboot",
  "disk-full",
  "slow",
  "bad-version",
  "patch-refused",
  "damage",
  "drift",
  "clock-jump",
  "hold",
  "push",
] as const satisfies readonly FaultKind[];
