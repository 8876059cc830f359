// What a promise is to the simulator: a question asked at every fact, answered with what is wrong, or with nothing.
import type { Fact } from "../fact.ts";
import type { History } from "../history.ts";
import type { HostTruth } from "../host/truth.ts";

export interface Moment {
  readonly now: number;
  readonly fact: Fact;
  /** As it was before this fact. */
  readonly history: History;
  readonly hosts: ReadonlyMap<string, HostTruth>;
}

export interface PromiseCheck {
  /** `P9` in the design, `R5` in the requirements. */
  readonly promise: string;
  readonly title: string;
  /** What is wrong, undefined when nothing is. */
  readonly check: (moment: Moment) => string | undefined;
}
