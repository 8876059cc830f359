// The part of a version's signed contract that bears on the risk of bringing it to a host. Pure.
import type { Component } from "../model/component.ts";
import { parseReleaseMetadata } from "../package/release-metadata.ts";
import type { VersionTraits } from "../plan/assess-risk.ts";
import type { LoadedVersion } from "./load-published.ts";

export function versionTraits({ release, published }: LoadedVersion): VersionTraits {
  const { component, version, sequence, floor, strategy, manager, hasHealth } = published;
  const { contract } = parseReleaseMetadata(release.metadata);
  return {
    ...{ component, version, sequence, floor, strategy, manager, hasHealth },
    listens: listens(contract),
    tasksWithoutUndo: tasksWithoutUndo(contract),
  };
}

function listens({ needs, health, switch: { sockets } }: Component): boolean {
  return needs.ports.length > 0 || sockets.length > 0 || health.some(({ kind }) => kind === "http" || kind === "tcp");
}

/** Health checks only look: what they run needs no way back. */
function tasksWithoutUndo({ tasks, health }: Component): string[] {
  const checks = new Set(health.flatMap((check) => (check.kind === "executable" ? [check.task] : [])));
  return tasks.filter(({ name, undo }) => undo === undefined && !checks.has(name)).map(({ name }) => name);
}
