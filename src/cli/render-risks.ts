// What must be seen before a plan is agreed to: steps that cannot be taken back, and steps that may hurt. Pure.
import type { RiskItem } from "../model/review.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import { type Line, styled } from "./text.ts";

/** Each once, with the hosts that it is about. */
export function riskLines(risks: readonly RiskItem[]): Line[] {
  return risks.map(({ kind, text, hosts }) => [
    "  ",
    styled(`${kind}:`, kind === "irreversible" ? "bad" : "warn"),
    ` ${text} (${foldHosts(hosts, { ranges: 8 })})`,
  ]);
}

/** Reasons that a plan for people has lines of its own for: its units, and its way back. */
const saidElsewhere: ReadonlySet<string> = new Set(["unit-order", "not-across-reboot", "manual-rollback"]);

/** Of a plan that is about to run, what its other lines do not say. */
export function unsaidRisks(risks: readonly RiskItem[]): RiskItem[] {
  return risks.filter(({ reason }) => !saidElsewhere.has(reason));
}
