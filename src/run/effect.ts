// What a run does next: `decide` says it, the driver performs it.
import type { Step } from "../model/plan.ts";
import type { EventBody, RunId, RunOutcome } from "../model/run-event.ts";
import type { BadVersion } from "./bad-versions.ts";

export type Effect =
  | { readonly kind: "start-step"; readonly step: Step }
  /** Do or resume the step on these hosts; hosts that ended are not named again. */
  | { readonly kind: "run-step"; readonly step: Step; readonly hosts: readonly string[] }
  | { readonly kind: "end-step"; readonly step: Step; readonly soakSeconds: number }
  | {
      readonly kind: "roll-back";
      readonly scope: "batch" | "release";
      /** That failed. */
      readonly step: string;
      readonly reason: string;
      readonly bad: readonly BadVersion[];
    }
  /** These hosts get a mended task bundle, before anything else of the plan. */
  | { readonly kind: "reopen"; readonly turns: readonly Extract<EventBody, { kind: "host-reopened" }>[] }
  /** Silent hosts that the run may do without: they have not switched yet, or the failure budget allows it. */
  | {
      readonly kind: "leave-out";
      readonly step: Step;
      readonly hosts: readonly string[];
      readonly reason: string;
      /** It was the failure budget. */
      readonly inBudget: boolean;
    }
  /** Silent hosts that may be on a new version: nothing more switches until they answer, or an operator holds them. */
  | { readonly kind: "wait"; readonly step: Step; readonly hosts: readonly string[] }
  /** A person decides: something failed under `rollback_policy: manual`, was changed by hand, or a gate is closed. The run stays open. */
  | { readonly kind: "hold"; readonly step: Step; readonly hosts: readonly string[]; readonly reason: string }
  /** Other runs of the release have used its failure budget: the run goes on once they have ended, or their hosts are well again. */
  | { readonly kind: "pause"; readonly step: Step; readonly reason: string; readonly runs: readonly RunId[] }
  | {
      readonly kind: "end";
      readonly outcome: RunOutcome;
      readonly reason: string;
      /** To be quarantined with the end: a run that stops without a way back must not start again by itself (P16). */
      readonly bad: readonly BadVersion[];
    };

/** For hosts that are silent, for a person, or for other runs. */
export function isWaiting({ kind }: Effect): boolean {
  return kind === "wait" || kind === "hold" || kind === "pause";
}

/** What the journal says of hosts that are left out. */
export function leaveOut({ step, hosts, reason, inBudget }: Extract<Effect, { kind: "leave-out" }>): EventBody[] {
  return hosts.map((host) => ({
    kind: "host-left-out",
    step: step.id,
    host,
    reason,
    ...(inBudget ? { inBudget } : {}),
  }));
}
