// The part of a version's signed contract that bears on the risk of bringing it to a host. Pure.
import type { Component } from "../model/component.ts";
import { parseReleaseMetadata } from "../package/release-metadata.ts";
import type { VersionTraits } from "../plan/assess-risk.ts";
import type { LoadedVersion } from "./load-published.ts";

/** Keyed as they are: `component@version`. */
export function traitsOf(versions: ReadonlyMap<string, LoadedVersion>): Map<string, VersionTraits> {
  return new Map([...versions].map(([key, version]) => [key, versionTraits(version)]));
}

function versionTraits({ release, published }: LoadedVersion): VersionTraits {
  const { component, version, sequence, floor, strategy, manager, hasHealth } = published;
  const contracts = Object.entries(published.migrations ?? {}).flatMap(([name, step]) =>
    step === "contract" ? [name] : [],
  );
  const { contract } = parseReleaseMetadata(release.metadata);
  return {
    ...{ component, version, sequence, floor, strategy, manager, hasHealth },
    listens: listens(contract),
    ...(contracts.length === 0 ? {} : { contracts }),
    tasksWithoutUndo: tasksWithoutUndo(contract),
  };
}

function listens({ needs, health, switch: { sockets } }: Component): boolean {
  return needs.ports.length > 0 || sockets.length > 0 || health.some(({ kind }) => kind === "http" || kind === "tcp");
}

/** Of those that plans run by themselves; health checks only look. */
function tasksWithoutUndo({ tasks, drain }: Component): string[] {
  const planned = tasks.filter(({ name, at }) => at !== undefined || name === drain?.task);
  return planned.filter(({ undo }) => undo === undefined).map(({ name }) => name);
}
