// Reads published releases from an artifact store. Digests are checked on the way in; signatures are the caller's business.
import { maxKeyValueBytes } from "../model/key-values.ts";
import { ComponentName, Digest, Version } from "../model/names.ts";
import type { PublishedRelease } from "../model/transfer.ts";
import type { ArtifactRepositoryPort, ArtifactStorePort, PatchToolPort } from "../ports.ts";
import { incompleteArtifact, notPublished } from "./artifact-errors.ts";
import { fullPayloads } from "./full-payloads.ts";
import { parseVersions, releasePath, signaturesPath, versionsPath } from "./layout.ts";
import { patchPayloads } from "./patch-payloads.ts";
import { parseReleaseMetadata } from "./release-metadata.ts";

export interface ArtifactRepositoryInput {
  readonly store: ArtifactStorePort;
  /** Payloads are kept here by tree digest and codec. */
  readonly cacheDirectory: string;
  /** For pairs of versions that nobody published a patch for. */
  readonly tools: PatchToolPort;
}

export function artifactRepository({ store, cacheDirectory, tools }: ArtifactRepositoryInput): ArtifactRepositoryPort {
  const full = fullPayloads({ store, cacheDirectory });
  const patches = patchPayloads({ store, cacheDirectory, tools, full });

  async function versions(component: string): Promise<string[]> {
    const text = await store.read(versionsPath(ComponentName.parse(component)), maxKeyValueBytes);
    return text === undefined ? [] : parseVersions(text).map(({ version }) => version);
  }

  return {
    versions,
    async release(component, version) {
      const metadata = await store.read(
        releasePath(ComponentName.parse(component), Version.parse(version)),
        maxKeyValueBytes,
      );
      if (metadata === undefined) throw notPublished(store, { component, version, known: await versions(component) });
      const signatures = await store.read(signaturesPath(component, version), maxKeyValueBytes);
      if (signatures === undefined) throw incompleteArtifact(store, signaturesPath(component, version));
      const { tree, bundle } = parseReleaseMetadata(metadata);
      const release: PublishedRelease = {
        component,
        version,
        metadata,
        signatures,
        manifest: await full.manifest(tree.digest),
      };
      return bundle === undefined ? release : { ...release, bundleManifest: await full.manifest(bundle.digest) };
    },
    payload: async (tree, codec) => full.payload(Digest.parse(tree), codec),
    ...patches,
  };
}
