// What the planner needs to know of a published component version: read from its signed release metadata.
import type { Balancer, Upgrade } from "./component.ts";
import type { Grade } from "./grade.ts";
import type { MigrationStep } from "./migration.ts";
import type { Digest } from "./names.ts";
import type { TaskPlace } from "./task.ts";

/** A task of the contract, as a plan needs to know it. */
export interface PublishedTask {
  readonly name: string;
  /** Absent: plans do not run it by themselves. */
  readonly at?: TaskPlace;
  readonly scope: "host" | "once";
  readonly hasUndo: boolean;
  readonly canDryRun: boolean;
}

export interface PublishedVersion {
  readonly component: string;
  readonly version: string;
  readonly tree: Digest;
  /** Where it lives on its hosts. */
  readonly root?: string;
  readonly bundle: Digest | undefined;
  /** SHA-256 of each file of the bundle, by name; absent when it has none. */
  readonly bundleFiles?: Readonly<Record<string, string>>;
  /**
   * Over all that a release key signed but sequence and expiry: tree, task bundle, host contract and floor. A version that was
   * published again under the same name, and is not the same, has another one.
   */
  readonly contract: Digest;
  readonly sequence: number;
  readonly strategy: string;
  /** Declared by its author; absent when not. */
  readonly grade?: Grade;
  /** Strategy balancer: who takes a host out of traffic before its switch. */
  readonly balancer?: Balancer;
  readonly manager: string;
  readonly deadlineSeconds: number;
  /** Above 0: a host that commits this version refuses every lower sequence from then on (T1). */
  readonly floor: number;
  readonly hasDrain: boolean;
  /** When its drain is over, and the longest time that it takes; absent when it has none. */
  readonly drain?: { readonly until?: string; readonly seconds: number };
  readonly hasBackup: boolean;
  readonly hasHealth: boolean;
  /** Executables of the task bundle, by name; absent when it has none. */
  readonly tasks?: readonly PublishedTask[];
  /** From which versions it may be reached; absent when from any. */
  readonly upgrade?: Upgrade;
  /** Steps of migrations that it stands for, by name; absent when it names none. */
  readonly migrations?: Readonly<Record<string, MigrationStep>>;
  /** By migration, the task that takes its step; absent when no task does. */
  readonly migrationTasks?: Readonly<Record<string, string>>;
  /** Other components that must be on the same host, and in which range of versions; absent when it needs none. */
  readonly needsComponents?: Readonly<Record<string, string>>;
  /** Ports that must be its own on its hosts; absent when it needs none. */
  readonly needsPorts?: readonly number[];
}
