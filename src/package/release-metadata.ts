// Release metadata: what the release key signs. One component version: its tree, its task bundle and its whole host contract. Pure.
import { z } from "zod";
import { CutoverError } from "../errors.ts";
import { Component, type ContractTask } from "../model/component.ts";
import { digestOf } from "../model/digest.ts";
import { type Drain, effectiveUntil } from "../model/drain.ts";
import { encodeKeyValues, MalformedTextError, parseKeyValues } from "../model/key-values.ts";
import { stepOf, taskOf } from "../model/migration.ts";
import { ComponentName, Digest, Version } from "../model/names.ts";
import type { PublishedTask, PublishedVersion } from "../model/published-version.ts";
import { contractEntries, readContract } from "./contract-text.ts";

export const releaseNamespace = "cutover-release";
export const releasePrincipal = "release";

const format = "cutover-release/1";
const count = z.int().min(0).max(999_999_999_999_999); // hosts take 15 digits

const Head = z.strictObject({
  component: ComponentName,
  version: Version,
  sequence: count,
  expires: count,
  floor: count,
  tree: z.strictObject({ digest: Digest, bytes: count, files: count }),
  bundle: z.strictObject({ digest: Digest, bytes: count }).optional(),
});

export interface ReleaseMetadata {
  readonly component: string;
  readonly version: string;
  /** Rises with every publication of the component; hosts refuse what is below their floor. */
  readonly sequence: number;
  /** Seconds since 1970; gates the first execution on a host. */
  readonly expires: number;
  /** Rollback floor: what hosts raise theirs to when a commit asks for it. */
  readonly floor: number;
  /** `bytes` is the sum of the file sizes. */
  readonly tree: { readonly digest: Digest; readonly bytes: number; readonly files: number };
  readonly bundle: { readonly digest: Digest; readonly bytes: number } | undefined;
  /** The host contract. Parsed back, its tasks are in the order of their names. */
  readonly contract: Component;
}

/** The exact text to sign; the same value gives the same bytes, whatever the order of tasks and environment. */
export function encodeReleaseMetadata(metadata: ReleaseMetadata): string {
  const { component, version, sequence, expires, floor, tree, bundle, contract } = metadata;
  Head.parse({ component, version, sequence, expires, floor, tree, bundle });
  if (contract.name !== component) throw malformed(`the contract is that of ${contract.name}, not of ${component}`);
  return encodeKeyValues([
    ["format", format],
    ["component", component],
    ["version", version],
    ["sequence", `${sequence}`],
    ["expires", `${expires}`],
    ["floor", `${floor}`],
    ["tree", tree.digest],
    ["tree.bytes", `${tree.bytes}`],
    ["tree.files", `${tree.files}`],
    ...(bundle === undefined
      ? []
      : ([
          ["bundle", bundle.digest],
          ["bundle.bytes", `${bundle.bytes}`],
        ] as const)),
    ...contractEntries(contract),
  ]);
}

/** The exact inverse of `encodeReleaseMetadata`. Throws `malformed-release`, also on keys it does not know and on another order. */
export function parseReleaseMetadata(text: string): ReleaseMetadata {
  try {
    const metadata = readMetadata(new Map(parseKeyValues(text)));
    // Whatever is missing, unknown or of another format shows as a difference to the one canonical text.
    if (encodeReleaseMetadata(metadata) !== text) throw malformed("unknown keys, or another format");
    return metadata;
  } catch (error) {
    if (error instanceof MalformedTextError) throw malformed(error.message, error);
    if (error instanceof z.ZodError) throw malformed(z.prettifyError(error), error);
    throw error;
  }
}

/** What a planner needs to know, and nothing else. */
export function publishedVersion({ contract, ...metadata }: ReleaseMetadata): PublishedVersion {
  const { components: needed, ports } = contract.needs;
  const migrations = Object.entries(contract.migrations).map(([name, one]) => [name, stepOf(one)] as const);
  const migrationTasks = Object.entries(contract.migrations).flatMap(([name, one]) => {
    const task = taskOf(one);
    return task === undefined ? [] : [[name, task] as const];
  });
  return {
    component: metadata.component,
    version: metadata.version,
    tree: metadata.tree.digest,
    root: contract.root,
    bundle: metadata.bundle?.digest,
    // An amendment that renews no more than the expiry leaves the version as it was reviewed.
    contract: digestOf(encodeReleaseMetadata({ ...metadata, contract, sequence: 0, expires: 0 })),
    sequence: metadata.sequence,
    strategy: contract.switch.strategy,
    ...(contract.grade === undefined ? {} : { grade: contract.grade }),
    ...(contract.switch.balancer === undefined ? {} : { balancer: contract.switch.balancer }),
    manager: contract.manager,
    deadlineSeconds: contract.deadlineSeconds,
    floor: metadata.floor,
    hasDrain: contract.drain !== undefined,
    ...(contract.drain === undefined ? {} : { drain: publishedDrain(contract.drain) }),
    hasBackup: contract.backup.length > 0 || contract.backupTask !== undefined,
    hasHealth: contract.health.length > 0,
    ...(contract.tasks.length === 0 ? {} : { tasks: contract.tasks.map(publishedTask) }),
    ...(contract.upgrade === undefined ? {} : { upgrade: contract.upgrade }),
    ...(migrations.length === 0 ? {} : { migrations: Object.fromEntries(migrations) }),
    ...(migrationTasks.length === 0 ? {} : { migrationTasks: Object.fromEntries(migrationTasks) }),
    ...(Object.keys(needed).length === 0 ? {} : { needsComponents: needed }),
    ...(ports.length === 0 ? {} : { needsPorts: ports }),
  };
}

function publishedDrain(drain: Drain): NonNullable<PublishedVersion["drain"]> {
  const until = effectiveUntil(drain);
  return { ...(until === undefined ? {} : { until }), seconds: drain.withinSeconds };
}

function publishedTask({ name, at, scope, undo, dryRun = false }: ContractTask): PublishedTask {
  return { name, ...(at === undefined ? {} : { at }), scope, hasUndo: undo !== undefined, canDryRun: dryRun };
}

function readMetadata(values: ReadonlyMap<string, string>): ReleaseMetadata {
  const number = (key: string): number => Number(values.get(key) ?? Number.NaN);
  const { bundle, ...head } = Head.parse({
    component: values.get("component"),
    version: values.get("version"),
    sequence: number("sequence"),
    expires: number("expires"),
    floor: number("floor"),
    tree: { digest: values.get("tree"), bytes: number("tree.bytes"), files: number("tree.files") },
    bundle: values.has("bundle") ? { digest: values.get("bundle"), bytes: number("bundle.bytes") } : undefined,
  });
  return { ...head, bundle, contract: Component.parse(readContract(head.component, values)) };
}

function malformed(problem: string, cause?: unknown): CutoverError {
  return new CutoverError({
    code: "malformed-release",
    message: "The release metadata is malformed",
    evidence: problem,
    cause,
  });
}
