// The plan in review: what a merge would cause, computed from git, notes and artifacts alone (R4). Plain data; rendered as text,
// Markdown or JSON, and put into pull requests and proposed commits.
import type { Diagnostic } from "./diagnostic.ts";
import type { Plan } from "./plan.ts";

/** Something that a reviewer must see before agreeing; never folded away. */
export interface RiskItem {
  readonly kind: "irreversible" | "risky";
  readonly component: string;
  /** A stable word: `no-health-check`, `drops-requests`, `raises-floor`, `no-undo`, `not-across-reboot`, `downgrade`, `manual-rollback`, `unit-order`. */
  readonly reason: string;
  /** One sentence with the evidence. */
  readonly text: string;
  readonly hosts: readonly string[];
}

/** What one component's step is expected to cost; undefined where history says nothing. */
export interface StepEstimate {
  readonly component: string;
  readonly from: string | undefined;
  readonly to: string;
  /** All its batches together, soak included. */
  readonly seconds: number | undefined;
  /** Where the figure comes from: `3 of 3 hosts, 2 runs, newest 2026-11-20`. */
  readonly basis: string;
}

/** One entry of a component's signed contract, such as `switch.strategy`; undefined where it has none. */
export interface ContractChange {
  readonly key: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Where the contract of a version differs from that of the version before. */
export interface ContractReview {
  readonly component: string;
  readonly from: string;
  readonly to: string;
  readonly changes: readonly ContractChange[];
}

/** A change of whom we trust, which decides about everything that comes after it; never folded away. */
export interface TrustChange {
  /** `refused`: nobody signed the head who may change it, so no controller accepts it as it is. */
  readonly verdict: "by-admin" | "refused";
  /** One line each: `release key ssh-ed25519 AAAA…`. Both are empty when only the order changes. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface ReleaseReview {
  readonly release: string;
  /** Intent for all hosts: its hash is what an approval names. `held` lists hosts that would be left alone today. */
  readonly plan: Plan;
  /** Hosts that the release is meant for. */
  readonly totalHosts: number;
  /** Milliseconds since the epoch of the note that the state was taken from; undefined when there is none. */
  readonly observedAt: number | undefined;
  /** Why the state is not known better: no note, signature not verified. Undefined when it is a verified note. */
  readonly stateProblem: string | undefined;
  readonly risks: readonly RiskItem[];
  /** Only steps whose contract changes; a version that cannot be read any more is not compared. */
  readonly contracts: readonly ContractReview[];
  readonly estimates: readonly StepEstimate[];
  readonly approval: "merge" | "plan-hash";
  /** Git asks for something else of this release than at the base; else the plan is what is left to do anyway. */
  readonly isAskedAnew: boolean;
}

/** `switch.strategy none → restart` */
export function contractChangeText({ key, from = "(none)", to = "(none)" }: ContractChange): string {
  return `${key} ${from} → ${to}`;
}

export interface Review {
  readonly format: "cutover-review/1";
  readonly base: { readonly ref: string; readonly commit: string };
  readonly head: {
    readonly ref: string;
    readonly commit: string;
    /** Who signed it by the Trust of the base; undefined when nobody trusted did: then it cannot be accepted as it is. */
    readonly signer: string | undefined;
  };
  /** Undefined when whom we trust stays the same. */
  readonly trustChange: TrustChange | undefined;
  readonly releases: readonly ReleaseReview[];
  /** Releases of the base that the head does not have any more: nothing is removed from any host (P14). */
  readonly gone: readonly string[];
  readonly failed: readonly {
    readonly release: string;
    readonly code: string;
    readonly message: string;
    readonly evidence: string;
    readonly remedy: string;
  }[];
  readonly warnings: readonly Diagnostic[];
  /** When the review was made, milliseconds since the epoch. */
  readonly at: number;
}
