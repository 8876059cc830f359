// What the journal remembers. Events are facts; state is derived from them, so a replay of any prefix is harmless (P6).
import type { Host } from "./fleet.ts";
import type { Digest } from "./names.ts";
import type { Bundles, Contracts, IntendedChange, Plan, Step } from "./plan.ts";
import type { RestorePoint, RestorePointProblem } from "./restore-point.ts";
import type { Status } from "./status.ts";
import type { TaskEvent, TaskId } from "./task.ts";

export type RunId = string;
export type RunOutcome = "done" | "rolled-back" | "stuck";

/** An event without its place. Streams: `run/ID` for one execution, `controller` for what outlives runs. */
export type EventBody =
  | {
      readonly kind: "run-planned";
      readonly commit: string;
      readonly generation: string;
      readonly plan: Plan;
      readonly epoch: number;
      /** How the hosts of the plan are reached, so that a run can go on without git. */
      readonly fleet: readonly Host[];
      /** Set when an operator took that run back: this one is no try to bring what git asks for. */
      readonly wayBackOf?: RunId;
      /** Somebody steps through it (`cutover step`), until it is taken up without this. */
      readonly pace?: "one-task";
    }
  | { readonly kind: "run-resumed"; readonly epoch: number; readonly pace?: "one-task" }
  | { readonly kind: "step-started"; readonly step: string }
  | {
      readonly kind: "delivered";
      readonly step: string;
      readonly host: string;
      readonly component: string;
      readonly bytes: number;
      readonly ms: number;
      /** Tree that a patch starts from; absent when the full artifact was sent. */
      readonly base?: string;
    }
  /** The host would not build a version from the patch, and says why; it gets the full artifact in the same step. */
  | {
      readonly kind: "patch-refused";
      readonly step: string;
      readonly host: string;
      readonly component: string;
      readonly version: string;
      readonly reason: string;
      readonly evidence: string;
    }
  | { readonly kind: "submitted"; readonly step: string; readonly host: string }
  | { readonly kind: "task"; readonly step: string; readonly host: string; readonly event: TaskEvent }
  | {
      readonly kind: "host-ended";
      readonly step: string;
      readonly host: string;
      readonly outcome: "done" | "failed" | "unknown";
      readonly evidence: string;
    }
  /** The run goes on without this host; it is not done, and the next plan takes it up when it answers. */
  | {
      readonly kind: "host-left-out";
      readonly step: string;
      readonly host: string;
      readonly reason: string;
      /** The failure budget let it go, and it counts there from now on. Absent where a person did, or nothing had switched yet, and in older journals. */
      readonly inBudget?: true;
    }
  /** Hosts that count against the failure budget in other open runs of the release, and these runs; both empty when there are none any more. */
  | { readonly kind: "unwell-beside"; readonly hosts: readonly string[]; readonly runs: readonly RunId[] }
  /** A restore point is being taken; each try has another id, on the hosts as well. */
  | { readonly kind: "restore-point-begun"; readonly step: string; readonly attempt: number; readonly id: string }
  | { readonly kind: "restore-point-taken"; readonly step: string; readonly point: RestorePoint }
  /** The parts do not agree: one sentence each, with the host that it is about. */
  | {
      readonly kind: "restore-point-torn";
      readonly step: string;
      readonly id: string;
      readonly problems: readonly RestorePointProblem[];
    }
  | { readonly kind: "step-ended"; readonly step: string }
  /** Somebody opened the gate at which the run waited: it goes on. */
  | { readonly kind: "gate-opened"; readonly step: string; readonly by: string; readonly reason: string }
  | {
      readonly kind: "rollback-started";
      readonly scope: "batch" | "release";
      /** The step that failed, whose batch goes back; absent for a whole release, and in journals of older controllers. */
      readonly step?: string;
      readonly reason: string;
      readonly by: string;
      /** Nobody is taken out of traffic first, and who is out comes back when all have gone back. */
      readonly inTraffic?: true;
    }
  /** An operator's own step in this run, such as the undo of a single task; everything else stands. */
  | { readonly kind: "step-added"; readonly step: Step; readonly by: string; readonly reason: string }
  /** The host goes through this step again, with these tasks only (`ID ACTION`); `rest` follows in a turn of its own. */
  | {
      readonly kind: "host-reopened";
      readonly step: string;
      readonly host: string;
      /** Counts from 1 for each host of a step. */
      readonly turn: number;
      readonly tasks: readonly string[];
      readonly rest: readonly string[];
      readonly by: string;
      readonly reason: string;
    }
  /** An operator whom the Trust names goes on without this task; `signature` is over what `skipStatement` says. */
  | {
      readonly kind: "task-skipped";
      readonly task: TaskId;
      readonly by: string;
      readonly reason: string;
      readonly signature: string;
    }
  /** A version was published again with another task bundle, and the run goes on with that: new hash, same journal. */
  | {
      readonly kind: "amended";
      readonly component: string;
      readonly version: string;
      readonly contract: Digest;
      /** SHA-256 of each file of the new bundle, by name. */
      readonly bundle: Bundles[string];
      readonly hash: Digest;
      /** What differs in the bundle: `changed convert`. */
      readonly changes: readonly string[];
      readonly by: string;
      readonly reason: string;
    }
  | { readonly kind: "run-ended"; readonly outcome: RunOutcome; readonly reason: string }
  /** An operator's wish to the controller process that runs; answered by the event below, which names its sequence. */
  | {
      readonly kind: "rollback-requested";
      readonly release: string | undefined;
      readonly inTraffic?: boolean;
      readonly by: string;
      readonly reason: string;
    }
  | {
      readonly kind: "rollback-answered";
      readonly request: number;
      readonly run: RunId | undefined;
      /** `refused`: nothing was done, `message` says why. */
      readonly outcome: RunOutcome | "waiting" | "refused";
      readonly message: string;
    }
  | { readonly kind: "status-made"; readonly status: Status }
  | { readonly kind: "published"; readonly commit: string }
  | { readonly kind: "commit-accepted"; readonly commit: string; readonly signer: string; readonly trust: string }
  /** The newest commit of the branch is not used, and why; the accepted one stays in force (F23). */
  | {
      readonly kind: "commit-refused";
      readonly commit: string;
      readonly code: string;
      readonly message: string;
      readonly evidence: string;
    }
  /** The documents in force are others than before, in a stream of their own: approvals of earlier ones are over. */
  | { readonly kind: "generation-accepted"; readonly generation: string; readonly commit: string }
  /** Policy `approval: plan-hash`: a signed commit named this plan. Plans of this generation may do these changes, or fewer. */
  | {
      readonly kind: "plan-approved";
      readonly release: string;
      readonly generation: string;
      readonly hash: string;
      readonly commit: string;
      readonly changes: readonly IntendedChange[];
      /** What a change does on a host, in words, keyed by `component@version`. */
      readonly tasks: Readonly<Record<string, string>>;
      /** What those versions were. */
      readonly contracts?: Contracts;
    }
  /** Names of the hosts and Releases of an accepted commit, in a stream of their own: `fleet`. Older journals have no releases. */
  | { readonly kind: "fleet-accepted"; readonly hosts: readonly string[]; readonly releases?: readonly string[] }
  /** An operator wants what failed tried again now; without a component, everything. */
  | {
      readonly kind: "retry-asked";
      readonly component: string | undefined;
      /** Only this version of the component. */
      readonly version?: string | undefined;
      readonly by: string;
      readonly reason: string;
    }
  | {
      readonly kind: "quarantined";
      readonly component: string;
      readonly version: string;
      readonly tree: string;
      readonly reason: string;
      readonly evidence: string;
      readonly run?: RunId;
    }
  | {
      readonly kind: "quarantine-lifted";
      readonly component: string;
      readonly tree: string;
      readonly by: string;
      readonly reason: string;
    }
  | { readonly kind: "held"; readonly host: string | undefined; readonly by: string; readonly reason: string }
  | { readonly kind: "resumed"; readonly host: string | undefined; readonly by: string; readonly reason: string };

export type JournalEvent = EventBody & {
  readonly stream: string;
  /** Counts from 1 within the stream; the journal refuses a gap or a repeat. */
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
};
