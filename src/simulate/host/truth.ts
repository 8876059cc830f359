// What is on a simulated host, as host.sh keeps it on disk. The host's own functions write it; promises are checked against it.
import type { TaskGroup } from "../../model/plan.ts";
import type { TaskEvent } from "../../model/task.ts";

export type TrialState = "armed" | "confirmed" | "reverting" | "reverted";

export interface TrialTruth {
  state: TrialState;
  readonly id: string;
  readonly from: string | undefined;
  readonly to: string;
  readonly run: string;
  /** The session that submitted the switch. */
  readonly session: string;
  /** In the clock of the boot that armed it. */
  readonly deadlineAt: number;
  readonly bootId: string;
  /** The hand-over was complete. */
  switched: boolean;
  reason: string | undefined;
}

export interface ComponentTruth {
  readonly name: string;
  /** A word that is no version of ours when somebody pointed it elsewhere. */
  current: string | undefined;
  /** Versions with their verified marker. */
  readonly built: Set<string>;
  /** Versions whose contract is kept. */
  readonly releases: Set<string>;
  /** Built versions whose bytes are not what was signed any more. */
  readonly damaged: Set<string>;
  /** Oldest first; a payload lies there for each. */
  offers: string[];
  /** How each offer came: for which run, and whether as a patch. */
  readonly deliveries: Map<string, { readonly run: string; readonly isPatch: boolean }>;
  trial: TrialTruth | undefined;
  /** The confirmed trial that the present one builds upon. */
  before: TrialTruth | undefined;
  committed: { readonly version: string; readonly run: string } | undefined;
  previous: string | undefined;
  /** `isWanted`: its way back was asked for and failed, so the host goes on trying. */
  drained: { readonly run: string; readonly version: string; readonly bootId: string; readonly isWanted?: true } | undefined; // biome-ignore format: one line
  undrained: string | undefined;
  /** By run: its restore point, or what it saved before its switch. */
  readonly backups: Map<string, BackupTruth>;
  /** What the component keeps outside its versions: a version that starts converts it. */
  data: string;
  floor: number;
  /** Out of service: the drain task ran and its undo did not. */
  isDrained: boolean;
  lock: Worker | undefined;
  /** By run and task: who does or undoes it. */
  readonly hooks: Map<string, Worker>;
  /** Who works on the trial. */
  worker: { readonly by: Worker; readonly role: "switch" | "revert" } | undefined;
  /** Tries to bring the component back into service. */
  undrainer: Worker | undefined;
  /** Waits for the deadline; lost with the boot unless systemd keeps it. */
  watcher: Worker | undefined;
}

export interface BackupTruth {
  readonly data: string;
  /** Which one was current then. */
  readonly version: string | undefined;
  /** The restore point that it is a part of, and what was said of it. */
  readonly part: { readonly point: string; readonly line: string } | undefined;
  /** Saved right before the switch, after that restore point. */
  own: BackupTruth | undefined;
  /** The step that was handed over with it. */
  readonly step: string;
  /** Tasks of the bundle that began since, and whose undo was not done. */
  readonly begun: Set<string>;
  /** Any has. */
  hasBegun: boolean;
  /** A point, of which the way back of the switch is to put back this instead of its own. */
  isWanted: boolean;
  /** An undo began to put it back. */
  isUndoing: boolean;
  /** Who put it back: `undo`, or the trial that went back. */
  restored: string | undefined;
}

/** A process on the host; gone with the boot. */
export interface Worker {
  isAlive: boolean;
  readonly end: () => void;
}

export interface StepTruth {
  readonly run: string;
  readonly step: string;
  readonly groups: readonly TaskGroup[];
  readonly payload: string;
  readonly session: string;
  readonly fence: { readonly epoch: number; readonly holder: string; readonly run: string };
  readonly submittedAt: number;
  readonly bootId: string;
  isStarted: boolean;
  /** The runner holds the step's lock. */
  isHeld: boolean;
  readonly events: TaskEvent[];
  /** The step that takes back what this one may still be at. */
  overtakenBy: string | undefined;
  result: string | undefined;
}

export interface HostTruth {
  readonly name: string;
  readonly manager: "systemd" | "process";
  isUp: boolean;
  boots: number;
  bootId: string;
  bootedAt: number;
  isDiskFull: boolean;
  slowness: number;
  /** Who wrote last, and for which runs of that epoch. */
  epoch: { readonly epoch: number; readonly holder: string; readonly runs: readonly string[] };
  readonly components: Map<string, ComponentTruth>;
  /** By `run step`. */
  readonly steps: Map<string, StepTruth>;
}

export function makeComponentTruth(name: string): ComponentTruth {
  return {
    name,
    current: undefined,
    built: new Set(),
    releases: new Set(),
    damaged: new Set(),
    offers: [],
    deliveries: new Map(),
    trial: undefined,
    before: undefined,
    committed: undefined,
    previous: undefined,
    drained: undefined,
    undrained: undefined,
    backups: new Map(),
    data: "",
    floor: 0,
    isDrained: false,
    lock: undefined,
    hooks: new Map(),
    worker: undefined,
    undrainer: undefined,
    watcher: undefined,
  };
}

/** A component as the last commit of a version left it. */
export function makeCommitted(name: string, version: string): ComponentTruth {
  const component = makeComponentTruth(name);
  component.built.add(version);
  component.releases.add(version);
  component.current = version;
  component.committed = { version, run: "r0" };
  component.data = version;
  return component;
}
