// Published versions that a plan may use: fetched, checked against the Trust's release keys, and read. The host checks
// again by itself (P2); checking here gives the operator the error before anything moves.
import { RefusedError } from "../errors.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import type { PublishedRelease } from "../model/transfer.ts";
import type { Trust } from "../model/trust.ts";
import { parseManifest, treeDigest } from "../package/manifest.ts";
import { parseReleaseMetadata, publishedVersion, releaseNamespace } from "../package/release-metadata.ts";
import type { Controller } from "./controller.ts";

export interface LoadedVersion {
  readonly release: PublishedRelease;
  readonly published: PublishedVersion;
}

/** Names in byte order, as the manifest has them. */
function bundleFilesOf(manifest: string): Record<string, string> {
  return Object.fromEntries(
    parseManifest(manifest).flatMap((entry) => (entry.kind === "file" ? [[entry.path, entry.sha256]] : [])),
  );
}

export interface WantedVersion {
  readonly component: string;
  readonly version: string;
}

/** Every wanted version, keyed by `component@version`. */
export async function loadPublished(
  controller: Pick<Controller, "artifacts" | "signer">,
  wanted: readonly WantedVersion[],
  trust: Trust,
): Promise<Map<string, LoadedVersion>> {
  const unique = new Map(
    wanted.map(({ component, version }) => [`${component}@${version}`, { component, version, trust }]),
  );
  const loaded = await Promise.all(
    [...unique].map(async ([key, one]) => [key, await loadVersion(controller, one)] as const),
  );
  return new Map(loaded);
}

/** Verify, then read: nothing unsigned is parsed. */
export async function loadVersion(
  controller: Pick<Controller, "artifacts" | "signer">,
  { component, version, trust }: { component: string; version: string; trust: Trust },
): Promise<LoadedVersion> {
  const release = await controller.artifacts.release(component, version);
  const { keys } = await controller.signer.verify({
    allowedKeys: trust.releaseKeys,
    namespace: releaseNamespace,
    data: release.metadata,
    signatures: release.signatures,
  });
  if (keys.length < trust.threshold) {
    throw new RefusedError({
      code: "release-not-trusted",
      message: `${component} ${version} carries ${keys.length} of the ${trust.threshold} release signatures that the Trust asks for`,
      impact: "Nothing was sent to any host",
      remedy: `cutover publish … --component ${component}.yaml --version ${version} --release-key KEY`,
    });
  }
  const published = publishedVersion(parseReleaseMetadata(release.metadata));
  const named = published.component === component && published.version === version;
  const bundle = release.bundleManifest === undefined ? undefined : treeDigest(release.bundleManifest);
  if (!named || treeDigest(release.manifest) !== published.tree || bundle !== published.bundle) {
    throw new RefusedError({
      code: "artifact-mixed-up",
      message: `The artifact repository answered for ${component} ${version} with parts that do not belong together`,
      evidence: `signed: ${published.component} ${published.version} ${published.tree}`,
      impact: "Nothing was sent to any host",
      remedy: "publish the version again",
    });
  }
  if (release.bundleManifest === undefined) return { release, published };
  return { release, published: { ...published, bundleFiles: bundleFilesOf(release.bundleManifest) } };
}
