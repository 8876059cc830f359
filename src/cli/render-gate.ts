// A gate at which a run waits: which, since when, why, and what opens it. Pure.
import { type Line, styled } from "./text.ts";
import { formatClock } from "./units.ts";

export interface GateView {
  readonly run: string;
  readonly release: string;
  readonly gate: string;
  readonly reason: string;
  readonly since: number;
}

export function gateLines({ run, release, gate, reason, since }: GateView): Line[] {
  const head: Line = [
    styled(`gate ${gate}:`, "warn"),
    ` run ${run} of ${release} waits since ${formatClock(since)}: ${reason}`,
  ];
  return [head, [styled("next:", "accent"), ` cutover gate open ${run} ${gate} --reason …`]];
}
