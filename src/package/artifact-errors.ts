// What can be wrong with an artifact repository, in words.
import { CutoverError, RefusedError } from "../errors.ts";
import type { ArtifactStorePort } from "../ports.ts";
import { nearestVersions } from "./nearest-versions.ts";

export function notPublished(
  store: ArtifactStorePort,
  { component, version, known }: { component: string; version: string; known: readonly string[] },
): CutoverError {
  const nearest = nearestVersions(version, known);
  return new CutoverError({
    code: "not-published",
    message: `${component} ${version} is not published in ${store.name}`,
    evidence:
      nearest.length === 0
        ? `No version of ${component} is published there`
        : `Nearest published: ${nearest.join(", ")}`,
    impact: "No host can be brought to it",
    remedy: `cutover publish DIR --component ${component}.yaml --version ${version}`,
  });
}

export function incompleteArtifact(store: ArtifactStorePort, path: string): CutoverError {
  return new CutoverError({
    code: "artifact-incomplete",
    message: `${path} is missing in ${store.name}`,
    impact: "The version cannot be sent to hosts",
    remedy: "publish the version again; what is there already stays",
  });
}

export function corruptArtifact(path: string): RefusedError {
  return new RefusedError({
    code: "artifact-corrupt",
    message: `${path} does not have the digest that it is named after`,
    impact: "It is not used",
    remedy: "publish the version again",
  });
}
