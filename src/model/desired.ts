// What git asks for, resolved per host. Made by desired/resolve-desired.ts from documents at a verified commit.
import type { Host, SwitchLimit } from "./fleet.ts";
import type { RollbackPolicy } from "./plan.ts";
import type { NamedEdit } from "./plan-edit.ts";
import type { Procedure } from "./procedure.ts";
import type { SkewLimit } from "./release.ts";
import type { RestorePointTerms } from "./restore-point.ts";

/** A component on a host that shall run it, as the Release says it and plan edits change it. */
export interface DesiredTarget {
  readonly host: string;
  readonly version: string;
  /** Versions after this one on the way to what is asked for, that one last: this is a stepping stone (R16). */
  readonly further?: readonly string[];
  /** Not now: what goes before it is on stepping stones still. */
  readonly later?: boolean;
  /** What the Release says, where an edit pins another version. */
  readonly insteadOf?: string;
  /** Why an edit holds it: meant, and not done now. `part` holds this component and not its host. */
  readonly held?: { readonly why: string; readonly part: boolean };
  /** Why an edit takes it out of the release: nothing is meant here. */
  readonly excluded?: string;
}

export interface DesiredComponent {
  readonly name: string;
  readonly dependsOn: readonly string[];
  /** It goes before all of these (consumers before producers). */
  readonly consumes?: readonly string[];
  readonly skew?: readonly SkewLimit[];
  /** One entry a host that shall run it, sorted by host. */
  readonly targets: readonly DesiredTarget[];
}

/** A Policy with every default filled in. */
export interface ResolvedPolicy {
  readonly name: string;
  readonly canaries: number;
  /** A number of hosts, or a share of the changing hosts such as `25%`. */
  readonly batchSize: number | `${number}%`;
  readonly soakSeconds: number;
  readonly failureBudget: number;
  readonly approval: "merge" | "plan-hash";
  readonly drift: "report" | "heal";
}

export interface DesiredRelease {
  readonly name: string;
  readonly components: readonly DesiredComponent[];
  readonly rollbackPolicy: RollbackPolicy;
  readonly policy: ResolvedPolicy;
  /** Of all PlanEdit documents for it, in order of their names; absent when there is none. */
  readonly edits?: readonly NamedEdit[];
  /** Components that are saved together before anything switches (R17). */
  readonly restorePoint?: RestorePointTerms;
}

export interface Desired {
  readonly commit: string;
  /** SHA-256 over the sorted document blobs: survives merge and squash, unlike the commit. */
  readonly generation: string;
  readonly hosts: readonly Host[];
  /** Of all Fleet documents; absent when there is none. */
  readonly limits?: readonly SwitchLimit[];
  readonly releases: readonly DesiredRelease[];
  readonly procedure: Procedure;
}
