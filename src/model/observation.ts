// What one host reported about itself, and when. "Unreachable" is a result, not an exception.

/** Facts that a plan may rely on. Collected once per pass, then frozen. */
export interface HostFacts {
  readonly mode: "system" | "user";
  readonly arch: string;
  readonly kernel: string;
  readonly glibc: string | undefined;
  readonly bootId: string;
  readonly systemd: boolean;
  /** Programs the host has, such as zstd, xz, gzip, curl. */
  readonly tools: readonly string[];
  /** The epoch the host last accepted, 0 when none. */
  readonly epoch: number;
  readonly hostScript: string;
  /** Directories below which components may live, as contracts write them; absent where an older host.sh does not say. */
  readonly bases?: readonly string[];
}

export type HostVersionState = "none" | "trial" | "confirmed" | "committed" | "reverting" | "reverted";

/** How much a unit cares: `After` is an order, the others are needs without one, the last a weak one. */
export const unitDirectives = ["After", "Requires", "BindsTo", "Wants"] as const;
export type UnitDirective = (typeof unitDirectives)[number];

/** A unit of one component that comes after, or needs, a unit of another one on the same host, by the word of systemd. */
export interface UnitOrder {
  readonly unit: string;
  readonly directive: UnitDirective;
  /** The other component, and which of its units is meant. */
  readonly component: string;
  readonly otherUnit: string;
}

/** One component on one host, as the host reads it back from disk. */
export interface ObservedComponent {
  readonly component: string;
  /** What `current` points at; undefined when there is no link. */
  readonly current: string | undefined;
  readonly currentTree: string | undefined;
  /** What the last commit recorded; differing from `current` outside a trial is drift. */
  readonly committed: string | undefined;
  readonly committedTree: string | undefined;
  readonly state: HostVersionState;
  readonly trial:
    | {
        readonly from: string | undefined;
        readonly to: string;
        readonly run: string;
        readonly reason: string | undefined;
        /** Milliseconds since the epoch, by the host's clock: it goes back then unless it was confirmed. Absent where an older host.sh does not say. */
        readonly endsAt?: number;
      }
    | undefined;
  /** Versions whose tree is built and verified. */
  readonly built: readonly string[];
  readonly sequence: number;
  readonly floor: number;
  readonly active: boolean | undefined;
  readonly pid: number | undefined;
  /** The run that took it out of service, as long as nobody has brought it back. */
  readonly drained?: string;
  /** Absent where nothing is known: no systemd, an older host.sh, or no unit that cares for another component's. */
  readonly unitOrder?: readonly UnitOrder[];
}

export type Observation =
  | {
      readonly kind: "observed";
      readonly host: string;
      /** Milliseconds since the epoch. */
      readonly at: number;
      readonly facts: HostFacts;
      readonly components: readonly ObservedComponent[];
    }
  | {
      readonly kind: "unreachable";
      readonly host: string;
      readonly at: number;
      readonly code: string;
      readonly message: string;
      /** What the last trusted status said of its components, when there is one: for intent and review, never for acting. */
      readonly lastKnown?: LastKnown;
    };

/** State from our journal or a signed note, with the time it was read back from the host. `current` is what it ran then. */
export interface LastKnown {
  readonly at: number;
  readonly components: readonly LastKnownComponent[];
}

export type LastKnownComponent = Pick<
  ObservedComponent,
  "component" | "current" | "currentTree" | "committed" | "committedTree"
>;
