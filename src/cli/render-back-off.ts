// A plan that failed and waits for its next try: what, why, when, and how not to wait. Pure.
import { type Line, styled } from "./text.ts";
import { counted, formatClock } from "./units.ts";

export interface BackOffView {
  readonly release: string;
  readonly planHash: string;
  readonly components: readonly string[];
  readonly run: string;
  readonly outcome: string;
  readonly reason: string;
  readonly tries: number;
  readonly at: number;
  readonly nextTryAt: number;
}

export function backOffLines({ components, run, outcome, reason, tries, at, nextTryAt }: BackOffView): Line[] {
  const later = `after ${formatClock(nextTryAt)}${tries === 1 ? " by serve, at once by reconcile --once" : ""}`;
  const when = nextTryAt <= at ? "with the next pass" : later;
  return [
    [
      "  ",
      styled("backing-off:", "warn"),
      ` ${tries === 1 ? "one run" : counted(tries, "run")} of this very plan failed, the last ${run}, ${outcome} at ${formatClock(at)}: ${reason}`,
    ],
    [`  it is tried again ${when}; a plan that differs is tried at once`],
    [
      styled("next:", "accent"),
      ` mend the cause, then: cutover retry ${components.length === 1 ? components[0] : ""}`.trimEnd(),
      " --reason '…'",
    ],
  ];
}
