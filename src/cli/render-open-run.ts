// A run that has not ended, beside a plan: why, and what makes it go on. Pure.
import type { Plan } from "../model/plan.ts";
import { foldHostsInText } from "../status/fold-hosts.ts";
import { type Line, styled } from "./text.ts";

export interface WaitingRunView {
  readonly release: string;
  readonly claims: readonly { readonly hosts: readonly string[] }[];
  readonly trouble: {
    readonly reason: string;
    readonly message: string;
    readonly next: string;
    readonly goesOnByItself?: boolean;
  };
}

export interface BehindView extends Pick<WaitingRunView, "trouble"> {
  readonly plan: Pick<Plan, "release">;
}

interface HolderView {
  readonly run: string;
  readonly isWayBack: boolean;
  readonly commit: string;
}

interface WaitingView {
  readonly release: string;
  readonly reason: string;
  readonly message: string;
}

/** The command that brings a run on, and whether it needs one. */
export function nextText({
  next,
  goesOnByItself = false,
}: Pick<WaitingRunView["trouble"], "next"> & { readonly goesOnByItself?: boolean | undefined }): string {
  return goesOnByItself ? `${next}; where cutover serve runs, it goes on by itself` : next;
}

/** Of a slice that is refused beside it. */
export function inTheWayLines({ release, trouble }: WaitingRunView): Line[] {
  return [
    [styled("cannot be run now:", "bad"), ` ${release} has an open run (${trouble.reason}): ${trouble.message}`],
    [styled("next:", "accent"), ` ${trouble.next}`],
  ];
}

/** Of a slice of which that run leaves nothing to do. */
export function behindLines({ plan, trouble }: BehindView): Line[] {
  return [
    [
      styled(`${plan.release}:`, "strong"),
      ` nothing of this slice is left to do before its open run has ended (${trouble.reason}): ${trouble.message}`,
    ],
    [styled("next:", "accent"), ` ${trouble.next}`],
  ];
}

/** Under the plan of an open run. */
export function carriedOutLine(run: string): Line {
  return [styled(`as run ${run} carries it out; task by task: cutover plan --run ${run}`, "faint")];
}

/** What documents ask for and that run holds otherwise: nothing of it is planned before the run has ended. */
export function newerWaitLine({ run, isWayBack, commit }: HolderView): Line {
  return [
    styled(isWayBack ? "on its way back:" : "newer documents wait:", "warn"),
    ` what commit ${commit.slice(0, 12)} asks for is planned once run ${run} has ended`,
  ];
}

/** A release that is not started beside the runs of others, or not beside its own. */
export function waitingLines({ release, reason, message }: WaitingView): Line[] {
  return [
    [styled(`${release}:`, "strong"), " ", styled(`waiting (${reason})`, "warn")],
    [`  ${message}`],
    [styled("next:", "accent"), " cutover status"],
  ];
}

/** What is planned above is done by that run, or after it. */
export function openRunLines({ release, claims, trouble }: WaitingRunView): Line[] {
  const hosts = new Set(claims.flatMap((claim) => claim.hosts));
  const style = trouble.reason === "DecisionNeeded" || trouble.reason === "HostUnknown" ? "bad" : "accent";
  return [
    [styled(`${release} has an open run`, style), ` (${trouble.reason}): ${foldHostsInText(trouble.message, hosts)}`],
    [styled("next:", "accent"), ` ${nextText(trouble)}`],
  ];
}
