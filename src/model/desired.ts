// What git asks for, resolved per host. Made by desired/resolve-desired.ts from documents at a verified commit.
import type { Host } from "./fleet.ts";
import type { RollbackPolicy } from "./plan.ts";
import type { Procedure } from "./procedure.ts";
import type { SkewLimit } from "./release.ts";

export interface DesiredComponent {
  readonly name: string;
  readonly dependsOn: readonly string[];
  /** It goes before all of these (consumers before producers). */
  readonly consumes?: readonly string[];
  readonly skew?: readonly SkewLimit[];
  /** One entry a host that shall run it, sorted by host. */
  readonly targets: readonly { readonly host: string; readonly version: string }[];
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
}

export interface Desired {
  readonly commit: string;
  /** SHA-256 over the sorted document blobs: survives merge and squash, unlike the commit. */
  readonly generation: string;
  readonly hosts: readonly Host[];
  readonly releases: readonly DesiredRelease[];
  readonly procedure: Procedure;
}
