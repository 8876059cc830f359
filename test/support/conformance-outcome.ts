// What a host under test is asked and says, whether it is simulated or host.sh for real.
import type { ObservedComponent } from "../../src/model/observation.ts";
import type { TaskEvent } from "../../src/model/task.ts";
import type { Command } from "./conformance-commands.ts";

/** What a command came to, and what the host is then. */
export interface Outcome {
  /** `started`, `already`, or the host's code and word of refusal. */
  readonly answer: string;
  /** `task action state exit reason` of everything told. */
  readonly events: readonly string[];
}
export interface Facts {
  readonly component: Partial<ObservedComponent>;
  readonly isOutOfService: boolean;
  /** What the component keeps outside its versions, which backups save and put back. */
  readonly data: string;
}
export interface ConformanceHost {
  act(command: Command): Promise<Outcome>;
  facts(): Promise<Facts>;
}

export const deadlineSeconds = 2_000;
export const sequenceOf = (version: string): number => Number(version.slice(1));
export const floorOf = (version: string): number => (version === "v3" ? 2 : 0);
export const quiet: Outcome = { answer: "", events: [] };

export function eventWords({ task, action, state, exitCode, reason }: TaskEvent): string {
  return [task, action, state, exitCode, reason === "" ? "-" : reason].join(" ");
}

export function factsOf(seen: ObservedComponent | undefined): Facts["component"] {
  if (seen === undefined)
    return { current: undefined, committed: undefined, state: "none", trial: undefined, built: [] };
  const { current, committed, state, trial, built, floor } = seen;
  // When a trial ends is told by two clocks.
  const told = trial && { ...trial, endsAt: 0 };
  return { current, committed, state, trial: told, built: [...built].sort(), ...(floor > 0 ? { floor } : {}) };
}
